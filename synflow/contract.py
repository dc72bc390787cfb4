"""What a stage is: a plain callable from samples to outcomes, and all that it may ask for.

A stage file imports only this module, `synflow.records`, `synflow.media` and `synflow.prompts`. It sees no clock,
no path and no network; what it needs it asks of its `Context`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from synflow.asks import Answer, Ask, Embedder, Item, Picture, Refusal, Vector, Vlm, said_digest
from synflow.pictures import Scan, Stills
from synflow.records import Facts, Measure, Sample

__all__ = [
    "Answer", "Ask", "Context", "CorpusStage", "Cut", "Decision", "Drop", "Embedder", "FromFile", "Item", "Keep",
    "Media", "Outcome", "Picture", "Prompt", "Refusal", "Regrouped", "Replayable", "Row", "Scan", "Split", "Stage",
    "StageConfig", "Stills", "Vector", "Vlm", "said_digest",
]  # fmt: skip


class StageConfig(BaseModel):
    """Base of the parameters of a stage: strict, frozen, every field documented with its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class FromFile:
    """Marks a parameter that may name YAML files: ``rules: Annotated[tuple[Rule, ...], FromFile()]``.

    Where the manifest gives a text, or a list with texts in it, each is the path of a file beside the manifest, and
    what the file holds takes its place before the parameter is validated. So a stage sees no path, and the content
    is part of what a run is known by.
    """

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Tell editors that a path may stand there, too."""
        held: dict[str, Any] = handler(core)
        path = {"type": "string", "minLength": 1, "description": "a YAML file, relative to the manifest"}
        kinds = held.pop("oneOf", None) or held.pop("anyOf", None) or [held]
        lists = [{**kind, "items": {"anyOf": [kind["items"], path]}} for kind in kinds if "items" in kind]
        return {"anyOf": [kind for kind in kinds if "items" not in kind] + [*lists, path]}


@dataclass(frozen=True)
class Keep:
    """The sample goes on, perhaps with more known about it."""

    sample: Sample


@dataclass(frozen=True)
class Drop:
    """The sample ends here.

    Attributes:
        reason: one of the stage's ``reasons``.
        detail: what was seen, in one deterministic line; for ``near-duplicate`` the clip that was kept.
        measures: what the stage had measured, so that another threshold can be tried later.
    """

    reason: str
    detail: str = ""
    measures: Mapping[str, Measure] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """The sample is replaced by one or more others (clips of one source)."""

    samples: tuple[Sample, ...]


Outcome = Keep | Drop | Split


class Media(Protocol):
    """Pictures of a sample's clip. One decode serves all calls of a pass.

    Every method raises `synflow.errors.ClipFailure` (``unreadable``, ``no-video``, ``decode-timeout``,
    ``decode-crash``, ``decode-memory``) where the source cannot be used; a stage lets it pass through.
    """

    def facts(self, sample: Sample) -> Facts:
        """Return what probing the source tells; decodes nothing."""
        ...

    def scan(self, sample: Sample) -> Scan:
        """Return the scan of the whole source, of the inner picture where ``sample.crop`` is set."""
        ...

    def stills(self, sample: Sample) -> Stills:
        """Return the pictures that stand for ``sample.clip``; in later passes the stored ones.

        Where ``sample.crop`` is set they show the inner picture.
        """
        ...

    def glance(self, sample: Sample, count: int) -> npt.NDArray[np.uint8]:
        """Return the brightness of ``count`` of the pictures of `stills`, evenly spread, uint8 ``[count, h, w]``.

        It costs that share of them, or less, where nobody asked for all of them before.
        """
        ...


class Prompt(Protocol):
    """A prompt file: its text, its output schema and its digest."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def schema(self) -> Mapping[str, Any]: ...
    def render(self, **slots: object) -> str:
        """Return the text with all its slots filled.

        Raises:
            KeyError: a slot is missing or unknown.
        """
        ...


class Context(Protocol):
    """All that a stage may ask for."""

    @property
    def seed(self) -> int: ...
    @property
    def media(self) -> Media: ...
    @property
    def vlm(self) -> Vlm: ...
    @property
    def embed(self) -> Embedder: ...
    @property
    def frames(self) -> int:
        """Pictures that stand for a video in a pair (``media.frames``)."""
        ...

    def prompt(self, name: str) -> Prompt:
        """Return the prompt ``name`` in its pinned version."""
        ...

    def rng(self, sample: Sample, *salt: object) -> random.Random:
        """Return a generator seeded by the run's seed, the sample's ids and ``salt`` alone."""
        ...


@runtime_checkable
class Stage(Protocol):
    """A callable from samples to outcomes: outcome ``i`` belongs to sample ``i``.

    Attributes:
        name: what a manifest calls it.
        version: raised when the output changes for the same input.
        Config: its parameters.
        reasons: reason code -> what it means, for all that it may drop.
        whole_shard: true where it wants all samples of a shard in one call (a stage that asks a model);
            otherwise the chain walks record by record, so that decoded pictures stay few.
        uses: which of ``media``, ``vlm``, ``embed`` it asks for.

    A stage of which the outcome depends on some fields of a sample only, besides the pictures of its clip, may name
    them in ``reads: ClassVar[frozenset[str]]`` (so may a corpus stage for its rows); ``captions.text`` is a field of
    each caption. What it found out is then believed by another run although other fields differ; what it writes must
    have names that no other stage writes.

    A stage that splits clips says ``divides: ClassVar[bool] = True``: it may not stand after a stage that looked at
    many clips together, because what that one found out belongs to clips that are no more.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    Config: ClassVar[type[StageConfig]]
    reasons: ClassVar[Mapping[str, str]]
    whole_shard: ClassVar[bool]
    uses: ClassVar[frozenset[str]]

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        """Return one outcome for each sample, in order."""
        ...


Row = dict[str, Any]
"""What a corpus stage keeps of one sample: JSON, small."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a corpus stage decided of one sample.

    Attributes:
        drop: why it is dropped; None to keep it.
        note: JSON that ``apply`` may use.
        beside: keys (`Sample.key`) of samples of the same pass that the next pass shall have at hand: with the
            decisions on them applied they stand in ``sample.beside``, in this order; one that was dropped is left out.
    """

    drop: Drop | None = None
    note: Any = None
    beside: tuple[str, ...] = ()


@runtime_checkable
class CorpusStage(Protocol):
    """A stage that needs all samples of the run: three pure functions. It ends a pass.

    ``rows`` runs in the workers on each sample that survived the pass, ``settle`` once over all rows in the
    order of the input, ``apply`` on each sample before the next pass. A class may be both a `Stage` and a
    `CorpusStage`.

    Parameters that only ``settle`` reads, and that `Replayable.decides` does not name, may be named in
    ``settles: ClassVar[frozenset[str]]``: with others, another run can take the rows over. One that takes away what the
    rows of later corpus stages hold (pairs, for example) says ``alters: ClassVar[bool] = True``: those come in a pass
    of their own.

    Attributes:
        rank: order of settling among the corpus stages of one pass, lowest first. Rows of samples that an
            earlier one drops are not shown to the later ones.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    Config: ClassVar[type[StageConfig]]
    reasons: ClassVar[Mapping[str, str]]
    rank: ClassVar[int]
    uses: ClassVar[frozenset[str]]

    def rows(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Row | None]:
        """Return one row for each sample; None where the stage has no say on it."""
        ...

    def settle(self, rows: Sequence[Row], seed: int) -> Sequence[Decision]:
        """Return one decision for each row; ``rows`` holds no None.

        The rows of a large run lie on disk: going through them in order is cheap, a single one costs a read, and the
        same place gives an equal row, not the same object.
        """
        ...

    def apply(self, sample: Sample, decision: Decision) -> Outcome:
        """Return what becomes of a sample for which there is a decision."""
        ...


@dataclass(frozen=True)
class Cut:
    """A rule of a stage that compares what it measured with its parameters; told to readers, never applied.

    Attributes:
        reason: of the drop.
        terms: couples of a measure and the parameter it is compared with. Of several it is enough that one is on the
            side that keeps; they are then shown as one number, the largest ratio of measure to parameter.
        keeps: on which side of the threshold a clip is kept.
    """

    reason: str
    terms: tuple[tuple[str, str], ...]
    keeps: Literal["above", "below"]

    @property
    def stage(self) -> str:
        """Name of the stage: every measure begins with it."""
        return self.terms[0][0].partition(".")[0]

    @property
    def title(self) -> str:
        """What is compared, in words."""
        first = self.terms[0][0]
        if len(self.terms) == 1:
            return first
        names = ", ".join(name.rpartition(".")[2] for name, _ in self.terms)
        return f"{self.stage}: best of {names} ÷ threshold"


@runtime_checkable
class Replayable(Protocol):
    """A per-sample stage whose decision can be taken again from its stored measures, as `synflow replay` does.

    A corpus stage needs no more than ``decides``: its ``settle`` is pure, and its rows are stored. A stage that splits
    samples says so with a class attribute ``splits = True``: what comes before it judged whole sources.

    Attributes:
        decides: the parameters that only the decision reads (``verdict``, or ``settle`` of a corpus stage); another
            value of any other one needs another run.
        cuts: the rules that compare single measures with single parameters, for `synflow inspect`.
    """

    decides: ClassVar[frozenset[str]]
    cuts: ClassVar[tuple[Cut, ...]]

    def verdict(self, measures: Mapping[str, Measure]) -> Drop | None:
        """Return why a sample with these measures is dropped; None to keep it. ``__call__`` asks nothing else.

        Args:
            measures: those whose names begin with the stage's; more may be there.

        Raises:
            KeyError: one that the verdict needs is absent.
        """
        ...


@runtime_checkable
class Regrouped(Protocol):
    """A corpus stage of which a row also depends on the other samples of its record."""

    def regrouped(self, row: Row, samples: Sequence[Sample], place: int) -> Row:
        """Return the row of ``samples[place]`` as it were if ``samples`` were all that is left of its record."""
        ...
