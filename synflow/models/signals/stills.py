"""Five captions of one picture: what the clip is of, and what of it this very picture shows; no past, no future."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from synflow.media.findings import Findings
from synflow.models.signals.content import Content
from synflow.models.signals.said import Said, listed
from synflow.models.signals.space import spatial
from synflow.models.signals.style import stylistic
from synflow.models.signals.wording import count

_CLASSES = ("dark", "bright", "black-and-white", "colourful")
"""Adjectives that say something of a still."""


def frame_captions(
    found: Findings, facts: Mapping[str, Any], caption: str, rng: random.Random
) -> dict[str, str] | None:
    """Return five captions: three on what is where, a snapshot, and one on the look; None where little is to be seen.

    Args:
        found: what was measured of the one picture.
        facts: what the stages measured of the clip.
        caption: what people wrote of the whole clip. It is told of the video, never of the picture, for the moment
            may show only a part of it.
        rng: draws wordings.
    """
    content = Content.of_shot(caption, facts, found)
    where = _ranked([said for said in spatial(found) if said.topic != "brightness-even"], rng)
    look = _ranked(list(stylistic(found)), rng)
    if not where or not look or (not content.text and sum(said.concrete for said in (*where, *look)) < 2):
        return None
    still = _Still(where, look, rng.randrange(3))
    return still.named(content, rng) if content.things else still.measured()


def _ranked(said: list[Said], rng: random.Random) -> list[Said]:
    """Order findings: what can be looked for first, by how much it tells."""
    return sorted(said, key=lambda one: (not one.concrete, -(one.weight + 0.2 * rng.random())))


class _Still:
    """The findings on one picture, and captions made of them.

    Args:
        where: findings on places; look: findings on the look; both with the most telling first.
        turn: which wording of a finding comes first.
    """

    def __init__(self, where: Sequence[Said], look: Sequence[Said], turn: int) -> None:
        self.where, self.look, self.turn = where, look, turn
        self.all = sorted([*where, *look], key=lambda said: not said.concrete)

    def sentences(self, wanted: int, wording: int, skip: int = 0, least: int = 1) -> str:
        """Return ``wanted`` findings after the first ``skip`` as sentences, more where they have too few words."""
        chosen: list[str] = []
        for said in [*self.all[skip:], *self.all[:skip]]:
            if len(chosen) >= wanted and count(" ".join(chosen)) >= least:
                break
            chosen.append(said.sentences[(self.turn + wording) % len(said.sentences)])
        return " ".join(chosen)

    def phrase(self, skip: int = 0) -> str:
        """Return the phrase of a telling finding: ``with a patch of yellow at the top right``; empty where none is."""
        told = [said.phrase for said in self.all if said.phrase.startswith("with ") and said.concrete]
        return told[min(skip, len(told) - 1)] if told else ""

    def phrases(self) -> str:
        """Return the next two such phrases as one: ``with blue on the left and white in the upper half``."""
        told = [self.phrase(1), self.phrase(2) if self.phrase(2) != self.phrase(1) else self.phrase(0)]
        told = [text.removeprefix("with ") for text in dict.fromkeys(told) if text]
        return f"with {listed(told)}" if told and not any(" and " in text for text in told[:-1]) else self.phrase(1)

    def head(self, noun: str) -> str:
        """Return ``A dark still``, the adjectives being those that the picture earns."""
        adjectives = listed([said.adjective for said in self.all if said.adjective in _CLASSES][:2])
        return f"A {adjectives} {noun}" if adjectives else f"A {noun}"

    def named(self, content: Content, rng: random.Random) -> dict[str, str]:
        """Return captions that say what the video is of, and what this picture of it shows."""
        other = content.of_what(rng.randrange(len(content.things)))
        quoted = content.quoted(50)
        third = f"A view {self.phrases()}, from {other}." if self.phrases() else ""
        snapshot = " ".join(part for part in (self.head("still"), self.phrase()) if part)
        tail = f"captioned {quoted}" if quoted else f"of “{', '.join(content.things[:4])}”"
        longer = f"{'longer video' if content.longer else 'clip'} {tail}"
        return {
            "1": f"A still from {content.of_what()}. {self.sentences(3, 0)}",
            "2": f"A picture from a {longer}. {self.sentences(2, 1, 1)}",
            "3": third or f"One picture from {other}. {self.sentences(2, 2)}",
            "4": f"{snapshot}{',' if self.phrase() else ''} from a {longer}.",
            "5": f"A moment from {other}. {self.style()}",
        }

    def measured(self) -> dict[str, str]:
        """Return captions of what was measured alone, two findings at least in each."""
        told = [text.removeprefix("with ") for text in dict.fromkeys((self.phrase(), self.phrase(1))) if text]
        snapshot = f"{self.head('still')} with {listed(told)}." if told else f"{self.head('still')}."
        if len(told) < 2:
            snapshot += f" {self.sentences(1, 1, len(told), 4)}"
        return {
            "1": self.sentences(4, 0, 0, 6),
            "2": self.sentences(2, 1, 0, 6),
            "3": self.sentences(2, 2, 1, 6),
            "4": snapshot,
            "5": self.style(),
        }

    def style(self) -> str:
        """Return two findings, those on the look first; where they name little, what else there is."""
        tone = [said.sentences[(self.turn + 1) % 3] for said in self.look if said.concrete][:2]
        where = [said.sentences[(self.turn + 2) % 3] for said in self.where if said.concrete][1:] + [
            said.sentences[(self.turn + 2) % 3] for said in self.where
        ]
        return " ".join(list(dict.fromkeys([*tone, *where]))[:2])
