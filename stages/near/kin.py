"""Who might be whose partner in a composed pair: clips that look alike, show the same, or differ in one attribute.

Of each clip only small things are kept in memory: how it looks (48 bytes), where an embedder places it (96 bytes), and
the numbers of its words. Lists of who has a word are gone through in a window of an order by hash, so that a common
word costs no more than a rare one.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.near.cells import neighbours
from synflow.contract import Row
from synflow.ids import seed_of
from synflow.media.colors import lab_grid
from synflow.records import Kinship

GRID = 4
LOOK = GRID * GRID * 3
EMBEDDED = 96
NEAREST = 24
"""Nearest clips of which partners are drawn."""

KINDS: tuple[Kinship, ...] = ("attribute", "subject", "scene")

COMMON = 12
"""A word is telling where at most one in so many captions has it."""

WINDOW = 24
"""Clips with one word in common that are looked at for each clip and word."""


class Partner(NamedTuple):
    """A clip that might be the target for another one's reference; ``apart`` is how far their looks are, in Lab."""

    place: int
    kind: Kinship
    apart: float


def look_of(rgb: npt.NDArray[np.uint8]) -> str:
    """Return how pictures (uint8 ``[n, h, w, 3]``) look: mean L*, a* and b* of 4 x 4 parts, 48 bytes as text."""
    return _packed(np.mean([lab_grid(picture, GRID) for picture in rgb], axis=0).ravel())


def place_of(vector: npt.NDArray[np.float32]) -> str:
    """Return a unit vector projected to 96 dimensions, which about keeps angles, as text."""
    rng = np.random.Generator(np.random.PCG64(seed_of("partners", "projection", len(vector))))
    projected = vector @ (rng.standard_normal((len(vector), EMBEDDED)) / np.sqrt(EMBEDDED)).astype(np.float32)
    return _packed(projected * (127.0 / max(1e-6, float(np.linalg.norm(projected))) * 2.0))


def _packed(values: npt.NDArray[np.floating]) -> str:
    whole = np.clip(np.round(values), -127, 127).astype(np.int8)
    return base64.b64encode(whole.tobytes()).decode("ascii")


@dataclass(frozen=True)
class Bounds:
    """How far looks may be apart, in Lab: ``alike`` at most for one scene, ``other`` at least for another one."""

    alike: float
    other: float


class Kin:
    """The clips of a run, by what makes them partners.

    Args:
        rows: as `stages.partners.Partners.rows` gives them, of the whole run.
        seed: of the run.
        bounds: what looks alike.
    """

    def __init__(self, rows: Sequence[Row], seed: int, bounds: Bounds) -> None:
        self.seed, self.bounds = seed, bounds
        self.keys: list[str] = []
        self._record, self._source = array("q"), array("q")
        self._tokens, self._token_of = array("Q"), array("I")
        self._things, self._thing_of, self._colors = array("Q"), array("I"), array("B")
        records: dict[str, int] = {}
        sources: dict[str, int] = {}
        looks, places = bytearray(), bytearray()
        for place, row in enumerate(rows):
            self.keys.append(row["key"])
            self._record.append(records.setdefault(row["record"], len(records)))
            self._source.append(sources.setdefault(row["source"], len(sources)))
            looks += base64.b64decode(row["look"])
            places += base64.b64decode(row.get("place", ""))
            for token in row["tokens"]:
                self._tokens.append(token)
                self._token_of.append(place)
            for thing, color in row["colored"]:
                self._things.append(thing)
                self._thing_of.append(place)
                self._colors.append(color)
        self.looks = np.frombuffer(bytes(looks), np.int8).reshape(-1, LOOK)
        embedded = np.frombuffer(bytes(places), np.int8)
        # An embedder that abstained from one clip of the run places none of them.
        self.places = embedded.reshape(-1, EMBEDDED) if 0 < len(embedded) == EMBEDDED * len(self.keys) else None
        self._chosen: dict[Kinship, tuple[array[int], array[int]]] = {
            kind: (array("q", [-1]) * len(self.keys), array("Q", [0]) * len(self.keys)) for kind in KINDS
        }

    def apart(self, one: int, other: int) -> float:
        """Return how far the looks of two clips are apart: root mean square over 4 x 4 parts, in units of Lab."""
        gap = self.looks[one].astype(np.float64) - self.looks[other]
        return float(np.sqrt((gap * gap).sum() * 3 / LOOK))

    def partners(self) -> Iterator[list[Partner]]:
        """Yield for each clip at most one partner of each kind, none twice."""
        if self.keys:
            self._near()
            self._sharing()
            self._changed()
        for place in range(len(self.keys)):
            found: dict[int, Partner] = {}
            for kind, (others, _) in self._chosen.items():
                if others[place] >= 0 and others[place] not in found:
                    found[others[place]] = Partner(others[place], kind, self.apart(place, others[place]))
            yield list(found.values())

    def _offer(self, place: int, other: int, kind: Kinship) -> None:
        """Let a clip be drawn: of all that are offered the one with the largest number, which the seed mixes."""
        if self._record[place] == self._record[other] or self._source[place] == self._source[other]:
            return
        others, draws = self._chosen[kind]
        drawn = _mixed(self.seed, place, other)
        if others[place] < 0 or (drawn, other) > (draws[place], others[place]):
            others[place], draws[place] = other, drawn

    def _near(self) -> None:
        """Offer those nearest to each clip that look alike, or that an embedder takes for alike."""
        vectors = self.looks if self.places is None else self.places
        for place, others in neighbours(vectors, self.seed, NEAREST):
            for other in map(int, others):
                apart = self.apart(place, other)
                if apart <= self.bounds.alike:
                    self._offer(place, other, "scene")
                elif self.places is not None and apart >= self.bounds.other:
                    self._offer(place, other, "subject")

    def _sharing(self) -> None:
        """Offer clips with a telling word in common that look different."""
        most = max(3, len(self.keys) // COMMON)
        for ring, _ in self._rings(self._tokens, self._token_of):
            if len(ring) <= most:
                for one, other in _windows(len(ring)):
                    if self.apart(ring[one], ring[other]) >= self.bounds.other:
                        self._offer(ring[one], ring[other], "subject")

    def _changed(self) -> None:
        """Offer clips that do not look quite different, with the same thing in another colour."""
        for ring, where in self._rings(self._things, self._thing_of):
            for one, other in _windows(len(ring)):
                changed = self._colors[where[one]] != self._colors[where[other]]
                if changed and self.apart(ring[one], ring[other]) < self.bounds.other:
                    self._offer(ring[one], ring[other], "attribute")

    def _rings(self, tokens: array[int], owners: array[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Yield for each token that several clips have these clips, in an order by hash, and their places in it."""
        if not tokens:
            return
        names, places = np.frombuffer(tokens, np.uint64), np.frombuffer(owners, np.uint32)
        shuffled = np.random.Generator(np.random.PCG64(seed_of(self.seed, "partners", "rings"))).permutation(
            len(self.keys)
        )
        order = np.lexsort((shuffled[places], names))
        bounds = np.flatnonzero(np.diff(names[order])) + 1
        for where in np.split(order, bounds):
            if len(where) > 1:
                yield places[where].tolist(), where.tolist()


def _windows(size: int) -> Iterator[tuple[int, int]]:
    """Yield couples of places of a ring: each with those that follow it."""
    for one in range(size):
        for step in range(1, min(WINDOW, size - 1) + 1):
            yield one, (one + step) % size


def _mixed(seed: int, one: int, other: int) -> int:
    """Return a number of 64 bits that follows from three others and looks like chance (after SplitMix64)."""
    mixed = (seed * 0x9E3779B97F4A7C15 + one * 0xBF58476D1CE4E5B9 + other * 0x94D049BB133111EB) & _ALL
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _ALL
    return mixed ^ (mixed >> 31)


_ALL = (1 << 64) - 1
