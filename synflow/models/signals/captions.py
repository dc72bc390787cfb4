"""The five captions of a clip, put together from what was said by people and what was measured."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from synflow.media.findings import Findings
from synflow.models.signals.content import Content
from synflow.models.signals.motion import temporal
from synflow.models.signals.said import Said, listed
from synflow.models.signals.space import spatial
from synflow.models.signals.style import stylistic
from synflow.models.signals.wording import count, shortened

_ORDER = {
    "spatial": ("spatial", "temporal", "stylistic"),
    "temporal": ("temporal", "spatial", "stylistic"),
    "topical": ("spatial", "temporal", "stylistic"),
    "stylistic": ("stylistic", "spatial", "temporal"),
}


class Writer:
    """Writes captions of one clip; no sentence is used twice.

    Args:
        found: what was measured of its pictures; facts: what the stages measured.
        caption: what people wrote of it, or an empty text; emphasis: what leads.
        rng: draws wordings and what is left out.
    """

    def __init__(
        self, found: Findings, facts: Mapping[str, Any], caption: str, emphasis: str, rng: random.Random
    ) -> None:
        self.rng = rng
        self.order = _ORDER.get(emphasis, _ORDER["temporal"])
        self.lead = self.order[0]
        said = [*spatial(found), *temporal(found, facts), *stylistic(found)]
        said += _mostly(found, {one.topic for one in said})
        self.by_topic = said
        boost = {axis: 0.35 if axis == emphasis else 0.0 for axis in ("spatial", "temporal", "stylistic")}
        self.said = sorted(said, key=lambda s: -(s.weight + boost[s.axis] + 0.25 * rng.random()))
        self.turn = {s.topic: rng.randrange(3) for s in said}
        self.content = Content.of_shot(caption, facts, found)
        self.caption = self.content.sentence
        # What short texts may draw on, the most telling first; what no one would look for comes last of all.
        self.facts = sorted(self.said, key=lambda s: (not s.concrete, s.weight < 0.3))

    def sentence(self, said: Said) -> str:
        """Return the next wording of a finding."""
        self.turn[said.topic] += 1
        return said.sentences[self.turn[said.topic] % len(said.sentences)]

    def captions(self) -> dict[str, str]:
        """Return the five captions under the keys "1" to "5"."""
        dense = self.dense()
        return {"1": self.summary(), "2": dense, "3": self.abstract(), "4": self.keywords(), "5": self.partial()}

    def summary(self) -> str:
        """10 to 25 words: the caption, shortened or with one measured addition; else the strongest findings."""
        content = self.content
        text = self.caption if count(self.caption) <= 25 else "" if content.longer else shortened(self.caption, 8, 25)
        if not text:
            return self._named_summary() or self._measured_summary()
        for said in self.facts:
            if said.concrete or count(text) < 10:
                addition = min(said.sentences, key=count)
                if 10 <= count(text) + count(addition) <= 25:
                    return f"{text} {addition}"
        return text if count(text) >= 10 else self._measured_summary()

    def _named_summary(self) -> str:
        """Return what a caption names that is too long to be given whole, with one finding."""
        what = self.content.of_what()
        if not what:
            return ""
        head = f"A shot from {what}" if self.content.longer else _upper(what)
        sentences = (min(said.sentences, key=count) for said in self.facts if said.concrete)
        fitting = (f"{head}. {sentence}" for sentence in sentences)
        return next((text for text in fitting if 10 <= count(text) <= 25), "")

    def _measured_summary(self) -> str:
        adjectives = self._adjectives(2)
        text = f"{_article(adjectives)} {adjectives} clip" if adjectives else "A clip"
        used: set[str] = set()
        told: set[str] = set()
        for said in self.facts:
            kind = said.phrase.split(" ")[0]
            # Two phrases that begin alike ("in ... in ...") read badly, and an adjective has said its part already.
            said_already = said.adjective and said.adjective in adjectives
            if not said.phrase or kind in used or said_already or (kind == "that" and used):
                continue
            if not said.concrete and told:
                continue
            longer = f"{text}{',' if used else ''} {said.phrase}"
            if count(longer) <= 22:
                text = longer
                used.add(kind)
                told.add(said.topic)
            if count(text) >= 15:
                break
        text += "."
        for said in self.facts:
            addition = min(said.sentences, key=count)
            short = count(text) < 10 or len(told) < 2
            if short and said.topic not in told and count(text) + count(addition) <= 25:
                text += f" {addition}"
                told.add(said.topic)
        return text if count(text) >= 10 else f"{text[:-1]}, which stays so from beginning to end."

    def _adjectives(self, most: int) -> str:
        telling = ("dark", "bright", "black-and-white", "colourful", "lively")
        return listed([said.adjective for said in self.said if said.adjective in telling][:most])

    def dense(self) -> str:
        """101 to 180 words where so much can be said: the caption, then findings axis by axis."""
        target = self.rng.randrange(103, 124)
        chosen: dict[str, str] = {}
        words = count(self.caption)
        for said in self.said:
            if words >= target:
                break
            chosen[said.topic] = self.sentence(said)
            words += count(chosen[said.topic])
        if words <= 100:  # all is said: say it at more length
            chosen = {said.topic: max(said.sentences, key=count) for said in self.said}
        parts = [self.caption] if self.caption else []
        for axis in self.order:
            # Within an axis the order is that of the findings: from the whole to the part, from first to last.
            parts += _joined(
                [chosen[said.topic] for said in self.by_topic if said.axis == axis and said.topic in chosen]
            )
        return " ".join(parts)

    def abstract(self) -> str:
        """30 to 100 words: what it is, and how it looks and goes on as a whole."""
        own = self.caption if count(self.caption) <= 60 else shortened(self.content.text, 5, 40)
        parts = [text for text in (own or self.content.part(self.rng),) if text]
        adjectives = self._adjectives(3)
        if adjectives and self.rng.random() < 0.25:
            parts.append(f"The overall impression is {adjectives}.")
        else:
            adjectives = ""
        rest = [said for said in self.facts if not (said.adjective and said.adjective in adjectives)]
        telling = [said for said in rest if said.concrete]
        first = {said.axis: said for said in reversed(telling)}
        ordered = [first[axis] for axis in ("temporal", "spatial", "stylistic") if axis in first]
        ordered += [said for said in rest if said not in ordered]
        for place, said in enumerate(ordered):
            if count(" ".join(parts)) >= 32 and place >= 2:
                break
            parts.append(self.sentence(said))
        return " ".join(parts)

    def keywords(self) -> str:
        """5 to 19 words: what the caption names, then what was measured."""
        most = self.rng.randrange(11, 18)
        measured = [said.words for said in self.facts if said.words]
        # A topical text keeps to the caption; the others make room for two findings.
        kept: list[str] = []
        room = most - sum(count(text) for text in measured[:2]) if measured else most
        for text in self.content.keywords:
            if count(", ".join([*kept, text])) <= max(room, 5):
                kept.append(text)
        for text in measured:
            if count(", ".join([*kept, text])) <= most or count(", ".join(kept)) < 5:
                kept.append(text)
        for filler in ("short clip", "video scene"):
            if count(", ".join(kept)) < 5:
                kept.append(filler)
        return ", ".join(kept)

    def partial(self) -> str:
        """10 to 70 words on a part of it: a thing that the caption names and a finding or two, or findings alone."""
        parts = [self.content.part(self.rng)] if self.content.things else []
        telling = [said for said in self.facts if said.concrete]
        axes = [axis for axis in self.order if any(said.axis == axis for said in telling)]
        axis = axes[0] if axes and self.rng.random() < 0.6 else self.rng.choice(axes or [self.lead])
        least = self.rng.randrange(1, 3) if parts else self.rng.randrange(2, 4)
        ordered = [s for s in telling if s.axis == axis]
        ordered += [s for s in telling if s.axis != axis]
        ordered += [s for s in self.facts if not s.concrete]
        for place, said in enumerate(ordered):
            if place >= least and count(" ".join(parts)) >= 10:
                break
            parts.append(self.sentence(said))
        return " ".join(parts)


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _article(text: str) -> str:
    return "An" if text[:1].lower() in "aeiou" else "A"


def _mostly(found: Findings, told: set[str]) -> list[Said]:
    """Return what holds for most pictures of a clip but not for all: three quarters of them, the most usual ones."""
    if len(found.looks) < 4:
        return []
    grid = np.array([(*seen.cells, *seen.colors.values()) for seen in found.looks])
    unlike = np.abs(grid - np.median(grid, axis=0)).sum(axis=1)
    usual = np.sort(np.argsort(unlike, kind="stable")[: -(-3 * len(unlike) // 4)])
    part = replace(found, looks=tuple(found.looks[index] for index in usual))
    usually = ("For most of the clip", "Most of the time")
    fitting = [one for one in (*spatial(part), *stylistic(part)) if one.topic not in told and one.weight >= 0.1]
    return [
        Said(
            one.axis,
            one.topic,
            0.5 * one.weight,
            tuple(f"{usually[(place + turn) % 2]}, {_lower(text)}" for turn, text in enumerate(one.sentences)),
        )
        for place, one in enumerate(fitting)
    ]


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _joined(sentences: Sequence[str]) -> list[str]:
    """Join pairs of neighbouring short sentences with "and", so that the rhythm is not that of a list."""
    out: list[str] = []
    joined = False
    for text in sentences:
        plain = text.split()[0] in ("The", "There")
        if out and not joined and plain and max(count(out[-1]), count(text)) <= 8 and ", and" not in out[-1] + text:
            out[-1] = f"{out[-1].rstrip('.')}, and {text[0].lower()}{text[1:]}"
            joined = True
        else:
            out.append(text)
            joined = False
    return out
