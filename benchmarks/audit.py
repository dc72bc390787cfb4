"""False captions in a world whose truth is known: how many the audit finds of each kind, and how many true it loses.

A world is rendered (or taken with ``--world``) and its clips are measured once. True captions of clips of one shot are
then made false in one point, as the script of the clip tells: another colour (one that nothing in the clip has, nor
anything like it), the opposite way, another number, another order of events, another camera. What the audit drops is
counted, by the very stage that runs in a manifest, beside as many true captions.

Of each kind it is also counted what can be measured at all, as the script tells (`measurable`): things are followed by
their colour, so nothing else may have one like it, and for ways and numbers the camera has to rest.

Run: ``python benchmarks/audit.py [--clips 400] [--each 100] [--seed 5] [--world DIR] [--verbose] [--json]``; exits 1
where a promise is broken: 95 % of what can be measured is caught of each kind, at most 2 % of the true ones are lost.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.measured_world import NEAR, PLAIN, Clip, measured_world, palette, parsed, rate, report

from stages.audit import Audit
from synflow.contract import Drop
from synflow.records import Caption
from synflow.world.captions import captions
from synflow.world.phrases import DEEDS, NUMBERS, color_at
from synflow.world.plot import write_script
from synflow.world.script import OPPOSITE, Event, Script

KINDS = ("colour", "direction", "count", "order", "camera")
STYLES = ("summary", "dense", "abstract", "keywords", "partial")
CAMERAS = {
    ("still", ""): ("the camera stays still", "the camera does not move", "the view stays fixed"),
    ("zoom", "in"): ("the camera zooms in", "the camera pushes in", "the view zooms in"),
    ("zoom", "out"): ("the camera zooms out", "the camera pulls back", "the view zooms out"),
    **{("pan", w): (f"the camera pans {w}", f"the camera pans to the {w}", f"the view pans to the {w}")
       for w in ("left", "right")},
    **{("tilt", w): (f"the camera tilts {w}", f"the view tilts {w}") for w in ("up", "down")},
}  # fmt: skip
"""What the world says of each camera."""


@dataclass(frozen=True)
class Case:
    """A caption that is false in one point, or true (``kind`` is empty); ``clear``: whether that can be measured."""

    clip: Clip
    text: str
    kind: str = ""
    clear: bool = True


def script_of(clip: Clip) -> Script:
    """Return the script that a clip was rendered from."""
    return write_script(int(clip.truth["seed"]), int(clip.truth["index"]))


def measurable(clip: Clip, mover: int, color: str) -> bool:
    """Tell whether a thing can be told by its colour: a plain one, and nothing else in the clip has one like it.

    Args:
        clip: of one shot.
        mover: the thing.
        color: its colour, at the time that matters.
    """
    if color not in PLAIN:
        return False
    background = clip.truth["shots"][0]["background"]
    others = {background["color"], background["second"]}
    others |= {being["color"] for place, being in enumerate(clip.truth["movers"]) if place != mover}
    turned = [(event["mover"], event["color"]) for event in clip.truth["events"] if event["color"]]
    others |= {other for who, other in turned if who != mover}
    own = [clip.truth["movers"][mover]["color"], *(other for who, other in turned if who == mover)]
    return own.count(color) == 1 and not _like(color) & others and not _like(color) & (set(own) - {color})


def _like(color: str) -> set[str]:
    """Return a colour and all that may be taken for it."""
    return {color, *NEAR.get(color, ()), *(other for other in NEAR if color in NEAR[other])}


def _at_rest(clip: Clip) -> bool:
    return bool(clip.truth["shots"][0]["camera"]["motion"] == "still")


def wrong_colors(clip: Clip, text: str, rng: random.Random) -> Iterator[Case]:
    """Name a thing by a colour that nothing in its clip has."""
    free = sorted(set(PLAIN) - palette(clip.truth))
    for mover in clip.truth["movers"]:
        thing = f"{mover['color']} {mover['shape']}"
        if free and thing in text:
            yield Case(clip, text.replace(thing, f"{rng.choice(free)} {mover['shape']}"), "colour")


def wrong_ways(clip: Clip, text: str, rng: random.Random) -> Iterator[Case]:
    """Let something come from, or go to, the opposite side."""
    script = script_of(clip)
    for event in script.events:
        side = event.origin if event.kind == "enter" else event.toward
        if event.kind not in ("enter", "leave", "cross"):
            continue
        clear = _at_rest(clip) and measurable(clip, event.mover, color_at(script, event.mover, event.order))
        for right, wrong in zip(DEEDS[event.kind, side], DEEDS[event.kind, OPPOSITE[side]], strict=True):
            if text.count(right) == 1:
                yield Case(clip, text.replace(right, wrong), "direction", clear)


def wrong_counts(clip: Clip, text: str, rng: random.Random) -> Iterator[Case]:
    """Make two, three or four of one thing that does something."""
    for place, mover in enumerate(clip.truth["movers"]):
        acts = any(event["mover"] == place and event["kind"] != "bounce" for event in clip.truth["events"])
        for size in ("", f"{mover['size']} ", "medium-sized "):
            name = f"{size}{mover['color']} {mover['shape']}"
            found = re.search(rf"\b(an?) {name} (\w+s)\b", text, re.IGNORECASE)
            if found is None:
                continue
            number = rng.choice(NUMBERS[2:5])
            number = number.capitalize() if found[1][0].isupper() else number
            verb = found[2][:-2] if found[2] == "crosses" else found[2][:-1]
            told = text[: found.start()] + f"{number} {name}s {verb}" + text[found.end() :]
            clear = acts and _at_rest(clip) and measurable(clip, place, mover["color"]) and _stays(clip, place)
            yield Case(clip, told, "count", clear)


def _stays(clip: Clip, mover: int) -> bool:
    """Tell whether a thing keeps its first colour for a third of the clip or more."""
    turns = [event["start"] for event in clip.truth["events"] if event["mover"] == mover and event["color"]]
    return not turns or min(turns) >= clip.truth["duration"] / 3


def wrong_orders(clip: Clip, text: str, rng: random.Random) -> Iterator[Case]:
    """Tell the events backwards; only of summaries, which tell them in their order."""
    script = script_of(clip)
    if text != clip.truth["captions"]["summary"] or len(script.events) < 2:
        return
    backwards: list[Event] = list(script.events)[::-1]
    for turn in range(6):
        told = captions(script, f"backwards {turn}", order=backwards)["summary"]
        named = [event for event in script.events if _told(script, event, told)]
        if len(named) >= 2:
            seen = [e for e in named if measurable(clip, e.mover, color_at(script, e.mover, e.order))]
            yield Case(clip, told, "order", len(seen) >= 2)
            return


def _told(script: Script, event: Event, text: str) -> bool:
    side = event.origin if event.kind == "enter" else event.toward
    return any(deed in text for deed in DEEDS.get((event.kind, side), ()))


def wrong_cameras(clip: Clip, text: str, rng: random.Random) -> Iterator[Case]:
    """Let the camera go the other way, or move where it rests, or rest where it moves."""
    camera = clip.truth["shots"][0]["camera"]
    own = (camera["motion"], camera["direction"])
    turn = {"left": "right", "right": "left", "up": "down", "down": "up", "in": "out", "out": "in"}
    wrong = [key for key in CAMERAS if (key[1] == turn.get(own[1], "") if own[1] else key[1])]
    wrong += [("still", "")] if own[1] else []
    for phrase in CAMERAS[own]:
        if re.search(rf"\b{phrase}\b(?! to)", text, re.IGNORECASE):
            said = rng.choice(CAMERAS[rng.choice(wrong)])
            yield Case(clip, re.sub(rf"\b{phrase}\b", lambda m, s=said: _cased(m, s), text, flags=re.I), "camera")
            return


def _cased(match: re.Match[str], text: str) -> str:
    return text[0].upper() + text[1:] if match[0][0].isupper() else text


EDITS: Mapping[str, Callable[[Clip, str, random.Random], Iterator[Case]]] = {
    "colour": wrong_colors, "direction": wrong_ways, "count": wrong_counts, "order": wrong_orders,
    "camera": wrong_cameras,
}  # fmt: skip


def cases(clips: Sequence[Clip], each: int, rng: random.Random) -> list[Case]:
    """Return at most ``each`` false captions of each kind, and as many true ones as of all kinds together."""
    texts = [(clip, text) for clip in clips for text in clip.truth["captions"].values()]
    chosen: list[Case] = []
    for kind in KINDS:
        found = [case for clip, text in texts for case in EDITS[kind](clip, text, rng) if case.text != text]
        chosen += rng.sample(found, min(each, len(found)))
    true = [Case(clip, text) for clip, text in texts]
    return chosen + rng.sample(true, min(each * len(KINDS), len(true)))


def caught(found: Sequence[Case], ctx: Any) -> list[tuple[bool, dict[str, str]]]:
    """Return of each case whether the audit drops its caption, and the verdicts on its claims."""
    stage = Audit(Audit.Config())
    fates: list[tuple[bool, dict[str, str]]] = []
    for case in found:
        (sample,) = case.clip.samples
        caption = Caption(text=case.text, origin="model", style="summary")
        witness = Caption(text="A clip.", origin="model", style="summary")
        (outcome,) = stage([sample.having(captions=(caption, witness))], ctx)
        if isinstance(outcome, Drop):
            fates.append((True, {}))
            continue
        kept = {one.text: dict(one.verdicts) for one in outcome.sample.captions}
        fates.append((case.text not in kept, kept.get(case.text, {})))
    return fates


def judged(found: Sequence[Case], drops: Sequence[bool]) -> dict[str, Any]:
    """Return the rates by kind: of all, and of what can be measured."""
    both = list(zip(found, drops, strict=True))
    result: dict[str, Any] = {"true": rate([drop for case, drop in both if not case.kind])}
    for kind in KINDS:
        result[kind] = rate([drop for case, drop in both if case.kind == kind])
        result[f"{kind}, measurable"] = rate([drop for case, drop in both if case.kind == kind and case.clear])
    return result


def main() -> int:
    options = parsed(__doc__, clips=400, each=100)
    with measured_world(options) as (clips, ctx):
        found = cases(whole(clips), options.each, random.Random(options.seed))
        outcomes = caught(found, ctx)
    results = judged(found, [drop for drop, _ in outcomes])
    wrong = [both for both in zip(found, outcomes, strict=True) if both[1][0] != bool(both[0].kind)]
    report(results, [_complaint(case, *outcome) for case, outcome in wrong], options)
    missed = [kind for kind in KINDS if results[f"{kind}, measurable"]["share"] < 0.95]
    return 1 if missed or results["true"]["share"] > 0.02 else 0


def _complaint(case: Case, drop: bool, verdicts: Mapping[str, str]) -> str:
    label = "LOST" if drop else f"MISSED {case.kind}{'' if case.clear else ' (not measurable)'}"
    return f"{label} {case.clip.truth['id']} | {case.text} | {verdicts}"


def whole(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips of one shot: of a video that was cut, captions speak of more than one clip."""
    return [clip for clip in clips if clip.pieces == 1 and len(clip.samples) == 1 and len(clip.truth["shots"]) == 1]


if __name__ == "__main__":
    sys.exit(main())
