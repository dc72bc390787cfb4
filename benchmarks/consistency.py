"""Captions on the wrong clip: how many measurable contradictions `consistency` finds, and how many true ones it loses.

A world is rendered (or taken with ``--world``), its clips are cut and measured once, and captions are then swapped.
What is contradictory is told by the script of each clip, not by what was measured: a swapped caption is, where it
names one of seven plain colours that neither its clip nor anything of a similar colour in it has. Apart from that the
true captions are edited: ways, camera moves and the order of events are turned round.

Run: ``python benchmarks/consistency.py [--clips 120] [--seed 5] [--world DIR] [--json]``; exits 1 where a promise is
broken: 95 % of the measurable contradictions caught, at most 2 % of the true captions lost.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from kit.measured_world import PLAIN, Clip, Measured, measured_world, palette, parsed, rate, report

from stages.consistency import Consistency
from synflow.records import Caption


def contradictory(caption: str, truth: dict[str, Any]) -> bool:
    """Tell whether a caption names a plain colour, not a pale or dark one, that is not in a clip."""
    named = {color for color in PLAIN if re.search(rf"(?<!pale )(?<!dark )(?<!light )\b{color}\b", caption)}
    return bool(named - palette(truth))


def dropped(clip: Clip, caption: str, ctx: Measured) -> tuple[bool, str]:
    """Tell whether a clip falls for its caption by what is measured alone, and why."""
    stage = Consistency(Consistency.Config(drop_quantile=0.0))
    samples = [sample.having(captions=(Caption(text=caption),)) for sample in clip.samples]
    rows = [row for row in stage.rows(samples, ctx) if row is not None]
    drops = [decision.drop for decision in stage.settle(rows, 0) if decision.drop is not None]
    return bool(drops), drops[0].detail if drops else ""


def swapped_run(clips: Sequence[Clip], ctx: Measured, share: float, rng: random.Random) -> dict[str, Any]:
    """Swap a share of the captions in one run with the default quantile; count what is caught and lost."""
    stage = Consistency()
    wrong = set(rng.sample(range(len(clips)), round(share * len(clips))))
    rows, labels = [], []
    for place, clip in enumerate(clips):
        other = rng.choice([c for k, c in enumerate(clips) if k != place])
        caption = other.truth["caption"] if place in wrong else clip.truth["caption"]
        found = stage.rows([s.having(captions=(Caption(text=caption),)) for s in clip.samples], ctx)
        label = "true" if place not in wrong else "wrong" if contradictory(caption, clip.truth) else "swapped"
        rows += [row for row in found if row is not None]
        labels += [label for row in found if row is not None]
    fell = [decision.drop is not None for decision in stage.settle(rows, 0)]
    return {label: rate([t for t, what in zip(fell, labels, strict=True) if what == label]) for label in set(labels)}


def turned(caption: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a caption in which the words of each couple are exchanged; the same where none of them is in it."""
    table = {one: other for pair in pairs for one, other in (pair, pair[::-1])}
    pattern = "|".join(sorted(map(re.escape, table), key=len, reverse=True))
    return re.sub(rf"\b(?:{pattern})\b", lambda match: table[match[0]], caption)


EDITS: dict[str, Callable[[str], str]] = {
    "way": lambda text: turned(
        text, [("from left to right", "from right to left"), ("from top to bottom", "from bottom to top")]
    ),
    "camera": lambda text: re.sub(
        r"(?:camera|view) (?:pans|tilts|zooms)[^,.;]*",
        lambda m: turned(m[0], [("left", "right"), ("up", "down"), ("in", "out")]),
        text,
    ),
    "recolor": lambda text: re.sub(r"\bfrom (\w+) to (\w+)\b(?= ?(?:[.,;]|while|in|against|$))", _exchanged, text),
}


def _exchanged(match: re.Match[str]) -> str:
    colored = match[1] in PLAIN and match[2] in PLAIN
    return f"from {match[2]} to {match[1]}" if colored else match[0]


def judged(clips: Sequence[Clip], ctx: Measured, rng: random.Random) -> tuple[dict[str, Any], list[str]]:
    """Return what was caught and lost, and a line on each caption that was lost or missed."""
    results: dict[str, Any] = {}
    began = time.process_time()
    true = [dropped(clip, clip.truth["caption"], ctx) for clip in clips]
    results["ms_a_clip"] = round(1000 * (time.process_time() - began) / max(1, sum(len(c.samples) for c in clips)), 2)
    dense = [
        (clip, text, *dropped(clip, text, ctx))
        for clip in clips
        for style, text in clip.truth["captions"].items()
        if style in ("dense", "abstract", "partial")
    ]
    results["true captions lost"] = rate([drop for drop, _ in true])
    results["other true texts lost"] = rate([drop for _, _, drop, _ in dense])
    # A caption speaks of all shots of a video: where one of them is gone, nothing is judged.
    whole = [clip for clip in clips if len(clip.samples) == clip.pieces]
    swaps = [(clip, other.truth["caption"]) for clip in whole for other in rng.sample(clips, min(4, len(clips)))]
    wrong = [
        (clip, caption, *dropped(clip, caption, ctx)) for clip, caption in swaps if contradictory(caption, clip.truth)
    ]
    results["contradictions caught"] = rate([drop for _, _, drop, _ in wrong])
    for name, edit in EDITS.items():
        changed = [
            (clip, edit(clip.truth["caption"]))
            for clip in clips
            if edit(clip.truth["caption"]) != clip.truth["caption"]
        ]
        results[f"turned: {name}"] = rate([dropped(clip, text, ctx)[0] for clip, text in changed])
    for share in (0.0, 0.15):
        for label, found in sorted(swapped_run(clips, ctx, share, rng).items()):
            results[f"run, {share:.0%} swapped: {label}"] = found
    lost = [(c, c.truth["caption"], why) for c, (drop, why) in zip(clips, true, strict=True) if drop]
    lost += [(c, text, why) for c, text, drop, why in dense if drop]
    missed = [(c, text) for c, text, drop, _ in wrong if not drop]
    lines = [f"LOST {c.truth['id']} {c.truth['style']} | {text} | {why}" for c, text, why in lost]
    return results, lines + [f"MISSED {c.truth['id']} {c.truth['style']} | {text}" for c, text in missed]


def main() -> int:
    options = parsed(__doc__, clips=120)
    with measured_world(options) as (clips, ctx):
        results, complaints = judged(clips, ctx, random.Random(options.seed))
    report(results, complaints, options)
    good = results["contradictions caught"]["share"] >= 0.95 and results["true captions lost"]["share"] <= 0.02
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
