"""Texts that a model is asked for: what is sound of an answer is kept, and what is not is asked for once more.

The second request names the faults, so its digest is another one: a journal holds both answers, and a run that is
resumed pays for neither again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stages.rules.language import foreign
from synflow.answers import FAULTS, MENDABLE, faults_of, mending
from synflow.answers.faults import LONG, SHORT, words
from synflow.contract import Answer, Ask, Context, Refusal
from synflow.records import ModelUse

WHOLE = ""
"""The key under which the faults of an answer as a whole stand."""


@dataclass(frozen=True)
class Written:
    """A sound text, what it was written by, and the answer that it stands in."""

    text: str
    use: ModelUse
    value: Mapping[str, Any]


@dataclass
class Wanted:
    """One request and what became of it.

    Attributes:
        lengths: key of the answer -> least and most words.
        whole: whether all five captions are wanted, of which one must be short and one long.
        texts: key -> sound text.
        faults: key -> fault of what is not sound; under `WHOLE` what is wrong with the answer as a whole.
        first: the faults of the first answer; retried: whether there was a second.
    """

    ask: Ask
    lengths: Mapping[str, tuple[int, int]]
    whole: bool = False
    texts: dict[str, Written] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    retried: bool = False
    _value: object = None

    @property
    def mendable(self) -> bool:
        """Whether it may help to ask again; where the service was at fault it was asked again already."""
        return bool(self.faults) and all(
            code in MENDABLE or code in FAULTS for code in self.faults.get(WHOLE, "").split()
        )

    def take(self, answer: Answer | Refusal, ask: Ask | None = None) -> None:
        """Add the texts of an answer that are sound and still wanted, and note the faults of the others.

        Args:
            answer: to ``ask``, by default the first request.
            ask: the second request.
        """
        asked = ask or self.ask
        refused = answer.reason if isinstance(answer, Refusal) else ""
        if isinstance(answer, Refusal) or tuple(answer.bound) != asked.bound:
            # A second answer that is worse than the first takes nothing from it.
            self.faults = self.faults or {WHOLE: refused or "answer-unbound"}
        else:
            self._read(answer, asked)
        if ask is None:
            self.first = dict(self.faults)

    def _read(self, answer: Answer, asked: Ask) -> None:
        before = self.faults.get(WHOLE, "").split()
        faults = faults_of(answer.value, self.lengths, asked.text, str(asked.slots.get("caption", "")), _foreign)
        use = ModelUse(
            model=answer.model,
            revision=answer.revision,
            prompt=asked.prompt,
            prompt_digest=asked.prompt_digest,
            request=answer.request,
            seed=asked.seed,
        )
        for key in [key for key, fault in faults.items() if not fault]:
            text = " ".join(answer.value[key].split())
            others = {written.text.casefold() for place, written in self.texts.items() if place != key}
            if text.casefold() in others:
                faults[key] = "twice"
            elif key not in self.texts or _fills(text, self.texts[key].text, before):
                self.texts[key] = Written(text, use, answer.value)
        self.faults = {key: fault for key, fault in faults.items() if fault and key not in self.texts}
        self._value = answer.value
        if self.whole and (lacking := " ".join(self._lacking())):
            self.faults[WHOLE] = lacking

    def _lacking(self) -> Iterator[str]:
        """Yield what the captions lack together; nothing where one that is faulty may bring it."""
        counts = [len(words(written.text)) for written in self.texts.values()]
        if not self.faults and counts and min(counts) >= SHORT:
            yield "none-short"
        may_be_long = any(self.lengths[key][1] > LONG for key in self.faults if key in self.lengths)
        if counts and max(counts) <= LONG and not may_be_long:
            yield "none-long"

    def again(self, ctx: Context) -> Ask:
        """Return the second request: the first, with the faults named at its end."""
        slots = {**self.ask.slots, "fault": mending(self.faults, self.lengths, self._value)}
        text = ctx.prompt(self.ask.prompt).render(**slots)
        # Another seed, or a model that draws by it would say the same again.
        return replace(self.ask, text=text, slots=slots, seed=(self.ask.seed + 1) % 2**31)


def write(wanted: Sequence[Wanted], ctx: Context, *, retry: bool) -> None:
    """Ask for all texts in one call, and for those that had faults in a second one."""
    answers = ctx.vlm.answer([one.ask for one in wanted]) if wanted else ()
    for one, answer in zip(wanted, answers, strict=True):
        one.take(answer)
    faulty = [one for one in wanted if one.mendable] if retry else []
    asks = [one.again(ctx) for one in faulty]
    for one, ask, answer in zip(faulty, asks, ctx.vlm.answer(asks) if asks else (), strict=True):
        one.retried = True
        one.take(answer, ask)


def _fills(text: str, held: str, missing: Sequence[str]) -> bool:
    """Tell whether a sound text takes the place of a sound one: because none was short, or none was long enough."""
    count, before = len(words(text)), len(words(held))
    return ("none-long" in missing and count > LONG >= before) or ("none-short" in missing and count < SHORT <= before)


def _foreign(text: str) -> str:
    """Return the language of a text that is surely not English."""
    return foreign(text, ("en",))
