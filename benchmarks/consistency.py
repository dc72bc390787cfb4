"""Captions on the wrong clip: how many measurable contradictions `consistency` finds, and how many true ones it loses.

A world is rendered (or taken with ``--world``), its clips are cut and measured once, and captions are then swapped.
What is contradictory is told by the script of each clip, not by what was measured: a swapped caption is, where it
names one of seven plain colours that neither its clip nor anything of a similar colour in it has. Apart from that the
true captions are edited: ways, camera moves and the order of events are turned round.

Run: ``python benchmarks/consistency.py [--clips 120] [--seed 5] [--world DIR] [--json]``; exits 1 where a promise is
broken: 95 % of the measurable contradictions caught, at most 2 % of the true captions lost.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from stages.consistency import Consistency
from stages.dynamics import Dynamics
from stages.shots import Shots
from stages.validate import Validate, ValidateConfig
from synflow.contract import Keep, Outcome, Split, Stills
from synflow.media.sandbox import Sandbox
from synflow.media.session import MediaSession
from synflow.models.signals.embedder import SignalsEmbedder
from synflow.records import Caption, Location, Sample, Source
from synflow.world.palette import SIMILAR
from synflow.world.render import render_world

PLAIN = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
NEAR = {
    **{color: set(SIMILAR[color]) for color in PLAIN},
    "brown": {"orange", "red", "yellow"}, "green": {"yellow"}, "yellow": {"orange", "green"},
}  # fmt: skip
"""Colours that people may confuse, beside those that the world itself holds for similar."""


class Measured:
    """A context that serves stills which were decoded once; implements what `Consistency` asks of one."""

    frames = 8
    seed = 0

    def __init__(self) -> None:
        self.embed = SignalsEmbedder()
        self.kept: dict[str, Stills] = {}

    @property
    def media(self) -> Measured:
        """The stills are kept here."""
        return self

    def stills(self, sample: Sample) -> Stills:
        """Return what was decoded of a sample."""
        return self.kept[sample.key]


@dataclass
class Clip:
    """One video: its samples after cutting and measuring, and its script."""

    samples: list[Sample]
    truth: dict[str, Any]

    @property
    def pieces(self) -> int:
        """Number of clips that the video was cut into."""
        return self.samples[0].clip.of if self.samples[0].clip else 1


def measured(folder: Path, ctx: Measured) -> list[Clip]:
    """Cut and measure all clips of a world; a clip of which nothing is left is not among them."""
    truths = [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    places = {truth["id"]: Location(path=str(folder / truth["path"])) for truth in truths}
    stages = (Validate(ValidateConfig(min_short_side=96)), Shots(), Dynamics())
    sandbox = Sandbox()
    try:
        session = MediaSession(places, sandbox, stills=16, short_side=360, jpeg_quality=90)
        clips = []
        for truth in truths:
            source = Source(record_id=truth["id"], uri=truth["path"], dataset="world")
            samples = [Sample(source=source, captions=(Caption(text=truth["caption"]),))]
            for stage in stages:
                samples = list(_left(stage(samples, _Live(session))))
            if samples:
                ctx.kept.update((sample.key, session.stills(sample)) for sample in samples)
                clips.append(Clip(samples, truth))
            session.release(truth["id"])
        return clips
    finally:
        sandbox.close()


class _Live:
    frames = 8

    def __init__(self, session: MediaSession) -> None:
        self.media = session


def _left(outcomes: Sequence[Outcome]) -> Iterator[Sample]:
    for outcome in outcomes:
        if isinstance(outcome, Keep):
            yield outcome.sample
        elif isinstance(outcome, Split):
            yield from outcome.samples


def palette(truth: dict[str, Any]) -> set[str]:
    """Return all colours of a clip, and those that may be taken for one of them."""
    own = {mover["color"] for mover in truth["movers"]} | {event["color"] for event in truth["events"]}
    own |= {shot["background"][part] for shot in truth["shots"] for part in ("color", "second")}
    return own | {near for color in own for near in NEAR.get(color, ())}


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
    told = [decision.drop is not None for decision in stage.settle(rows, 0)]
    return {label: _rate([t for t, what in zip(told, labels, strict=True) if what == label]) for label in set(labels)}


def _rate(told: Sequence[bool]) -> dict[str, Any]:
    return {"of": len(told), "dropped": sum(told), "share": round(sum(told) / max(1, len(told)), 4)}


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
    results["true captions lost"] = _rate([drop for drop, _ in true])
    results["other true texts lost"] = _rate([drop for _, _, drop, _ in dense])
    # A caption speaks of all shots of a video: where one of them is gone, nothing is judged.
    whole = [clip for clip in clips if len(clip.samples) == clip.pieces]
    swaps = [(clip, other.truth["caption"]) for clip in whole for other in rng.sample(clips, min(4, len(clips)))]
    wrong = [
        (clip, caption, *dropped(clip, caption, ctx)) for clip, caption in swaps if contradictory(caption, clip.truth)
    ]
    results["contradictions caught"] = _rate([drop for _, _, drop, _ in wrong])
    for name, edit in EDITS.items():
        changed = [
            (clip, edit(clip.truth["caption"]))
            for clip in clips
            if edit(clip.truth["caption"]) != clip.truth["caption"]
        ]
        results[f"turned: {name}"] = _rate([dropped(clip, text, ctx)[0] for clip, text in changed])
    for share in (0.0, 0.15):
        for label, rate in sorted(swapped_run(clips, ctx, share, rng).items()):
            results[f"run, {share:.0%} swapped: {label}"] = rate
    lost = [(c, c.truth["caption"], why) for c, (drop, why) in zip(clips, true, strict=True) if drop]
    lost += [(c, text, why) for c, text, drop, why in dense if drop]
    missed = [(c, text) for c, text, drop, _ in wrong if not drop]
    lines = [f"LOST {c.truth['id']} {c.truth['style']} | {text} | {why}" for c, text, why in lost]
    return results, lines + [f"MISSED {c.truth['id']} {c.truth['style']} | {text}" for c, text in missed]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--world", type=Path, help="a world that `synflow world` rendered")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--verbose", action="store_true", help="name the captions that were lost and missed")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = options.world or Path(made)
        if options.world is None:
            render_world(folder, options.clips, options.seed)
        ctx = Measured()
        clips = measured(folder, ctx)
    results, complaints = judged(clips, ctx, random.Random(options.seed))
    if options.verbose:
        print(*complaints, sep="\n", file=sys.stderr)
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        for name, value in results.items():
            shown = (
                f"{value['dropped']:>5} of {value['of']:<5} {value['share']:.1%}" if isinstance(value, dict) else value
            )
            print(f"{name:<32}{shown}")
    good = results["contradictions caught"]["share"] >= 0.95 and results["true captions lost"]["share"] <= 0.02
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
