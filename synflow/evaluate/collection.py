"""A dataset of retrieval: queries, a corpus, what is relevant to which, and where the pictures of each come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from synflow.asks import Picture


class Media(Protocol):
    """Pictures that lie somewhere; nothing is read before they are asked for."""

    def digest(self, frames: int) -> str:
        """Return the digest of what the pictures are made from.

        Raises:
            ClipFailure: there is nothing, or it cannot be read.
        """
        ...

    def pictures(self, frames: int) -> tuple[Picture, ...]:
        """Return up to ``frames`` pictures, uniform over a video.

        Raises:
            ClipFailure: as `digest`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A query, or an item of the corpus: a text, pictures, or both.

    Attributes:
        video: the pictures are those of a video, and their order means something.
    """

    id: str
    text: str | None = None
    media: Media | None = None
    video: bool = False
    instruction: str = ""

    @property
    def kind(self) -> str:
        """Return ``t``, ``i``, ``v``, ``ti`` or ``tv``."""
        return ("t" if self.text else "") + ("" if self.media is None else "v" if self.video else "i")


@dataclass(frozen=True)
class Collection:
    """What one score is computed from.

    Attributes:
        ability: one of `synflow.evaluate.abilities.SINGLE`.
        metric: the one of `synflow.evaluate.metrics.METRICS` that counts.
        relevant: places in the corpus, for each query.
        lost: for each query, how many relevant items are not in the corpus; they count as never found.
        candidates: places that alone are ranked for a query; None: the whole corpus.
        notes: what a reader of the score must know.
    """

    name: str
    ability: str
    metric: str
    queries: tuple[Entry, ...]
    corpus: tuple[Entry, ...]
    relevant: tuple[tuple[int, ...], ...]
    lost: tuple[int, ...]
    candidates: tuple[tuple[int, ...] | None, ...]
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Return what most queries and items are, for example ``t2v`` or ``ti2v``."""
        return f"{_most([one.kind for one in self.queries])}2{_most([one.kind for one in self.corpus])}"

    def asking(self, queries: Sequence[Entry]) -> Collection:
        """Return it with other queries, one for each of its own."""
        return replace(self, queries=tuple(queries))


def _most(kinds: Sequence[str]) -> str:
    return max(sorted(set(kinds)), key=kinds.count) if kinds else ""
