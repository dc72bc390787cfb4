"""What a caption that people wrote names: its things, and ways to speak of them without saying more than it does."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from synflow.media.colors import COLORS
from synflow.media.findings import Findings
from synflow.models.signals.things import phrases, things
from synflow.models.signals.wording import bare, count, shortened, tidy

_VIEW = re.compile(
    r"^(?:an?|the|one|two|three|four|five|six|several|many) (?:[\w-]+ )*?"
    r"(?:views?|shots?|look|ride|tilt|pan|close-up|recording|time-lapse) (?:of|over|at|on|with|towards) ",
    re.IGNORECASE,
)
_LEAVING = re.compile(
    r"\b(?:away|past|disappears?|vanish(?:es)?|leaves (?:the|through)|out of (?:view|sight))\b", re.IGNORECASE
)
"""Words by which what a caption names may be gone before the end."""
_ARTICLE = re.compile(r"^(?:an?|the) ", re.IGNORECASE)
SHADES = frozenset(COLORS) | {"gray"}
_SEEN = 0.004
"""Share of a picture from which a colour that a caption gives a thing counts as seen there."""


def shows(found: Findings, color: str) -> bool:
    """Tell whether pictures show a colour; a thing may come late or leave early, so one of a clip is enough."""
    return max(found.series("grey" if color == "gray" else color)) >= _SEEN


@dataclass(frozen=True)
class Content:
    """A caption, taken apart.

    Attributes:
        text: the caption as a sentence, kept to its beginning where it is very long; empty where there is none.
        things: what it names, with articles, in its order; keywords where it is written without articles.
        named: ``things`` are phrases with articles, which can stand in a sentence.
        longer: it speaks of a longer video, of which the pictures show a part.
        keywords: what it names and what happens, in a few words each, in its order.
    """

    text: str
    things: tuple[str, ...]
    named: bool
    longer: bool
    keywords: tuple[str, ...]

    @classmethod
    def of(cls, caption: str, facts: Mapping[str, Any]) -> Content:
        """Take ``caption`` apart; ``facts`` tell whether it was written for a longer video."""
        text = shortened(tidy(caption), 1, 90)
        found, words = things(text), tuple(phrases(text))
        longer = facts.get("caption_scope") == "video" and bool(text)
        return cls(text, tuple(found) or words, bool(found), longer, words)

    @classmethod
    def of_shot(cls, caption: str, facts: Mapping[str, Any], found: Findings) -> Content:
        """Take ``caption`` apart; of a longer video only such things are taken as may be in the pictures of ``found``.

        What another shot shows would be told of this one otherwise; colours tell at least some of that.
        """
        content = cls.of(caption, facts)
        return content.where(lambda color: shows(found, color)) if content.longer else content

    def where(self, shown: Callable[[str], bool]) -> Content:
        """Return it with those things and keywords only all colours of which are ``shown``."""
        held, words = (
            tuple(text for text in texts if all(map(shown, SHADES.intersection(text.lower().split()))))
            for texts in (self.things, self.keywords)
        )
        return replace(self, things=held, named=self.named and bool(held), keywords=words)

    @property
    def sentence(self) -> str:
        """The whole caption, said of the longer video where it was written for that."""
        return f"This shot comes from a longer video captioned “{bare(self.text)}”." if self.longer else self.text

    @property
    def video(self) -> str:
        """What it was written for: ``a video`` or ``a longer video``."""
        return "a longer video" if self.longer else "a video"

    def quoted(self, most: int) -> str:
        """Return the caption in quotation marks, at most ``most`` words; empty where it cannot be made so short."""
        short = shortened(self.text, 1, most)
        return f"“{bare(short)}”" if short else ""

    def of_what(self, place: int = 0) -> str:
        """Return ``a video of a two-humped camel``, for the thing at ``place``; empty where nothing is named."""
        if not self.things:
            return ""
        thing = self.things[place % len(self.things)]
        if not self.named:
            return f"{self.video} of “{thing}”"
        if count(thing) < 3:  # "a dog" alone fits too many videos
            place, thing = 0, self.things[0]
        if count(thing) < 3:
            if len(self.things) == 1:
                return f"{self.video} captioned {self.quoted(40)}" if self.quoted(40) else f"{self.video} of {thing}"
            thing = f"{thing} and {self.things[1]}"
        # What comes first is what it is of; the rest is in it.
        return f"{self.video} {'with' if _VIEW.match(thing) else 'that shows' if place else 'of'} {thing}"

    def identity(self, most: int = 8) -> str:
        """Return what stays the same in all of it, without article, in at most ``most`` words: ``two-humped camel``."""
        if not self.named:
            return ""
        first = _VIEW.sub("", self.things[0])
        text = _ARTICLE.sub("", first)
        if count(text) > most:
            text = re.split(r" (?:in|with|on|at|over) (?=an? |the )", text)[0]
        if count(text) > most:
            return ""
        if count(text) == 1 and len(self.things) > 1 and not self.longer:
            text = f"{text} and {_ARTICLE.sub('', self.things[1])}"
        # Of several things side by side, one may be gone while the scene goes on.
        plain = not re.search(r" (?:in|with) ", first)
        several = plain and re.search(re.escape(first) + r"(?:,| and\b)", self.text, re.IGNORECASE)
        return f"scene with the {text}" if not self.longer and (several or _LEAVING.search(self.text)) else text

    def part(self, rng: random.Random) -> str:
        """Return a sentence on one or two of the things; empty where nothing is named."""
        if not self.things:
            return ""
        first = rng.randrange(len(self.things))
        chosen = [self.things[first]]
        others = [thing for thing in self.things if thing not in chosen[0] and chosen[0] not in thing]
        more = next((thing for thing in others if self.things.index(thing) > first), others[-1] if others else "")
        # "a pavement" alone is hardly worth looking for.
        if more and (rng.random() < 0.5 or not self.named or count(chosen[0]) < 3):
            chosen = sorted([*chosen, more], key=self.things.index)
        if not self.named:
            where = f"Part of {self.video}" if self.longer else "Part of what is shown"
            return f"{where}: {', '.join(chosen)}."
        thing = " and ".join(chosen)
        if self.longer:
            return rng.choice(
                (f"A shot from a longer video that shows {thing}.", f"Part of {self.video} with {thing}.")
            )
        forms = [f"{_upper(thing)} can be seen.", f"The scene includes {thing}.", f"Part of what is shown: {thing}."]
        if len(chosen) == 2:
            forms.append(f"{_upper(thing)} are shown.")
        return rng.choice(forms)


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
