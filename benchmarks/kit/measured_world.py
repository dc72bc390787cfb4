"""A world of which all clips were measured once: what benchmarks of captions judge, and how they are called."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

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


def rate(told: Sequence[bool]) -> dict[str, Any]:
    """Return how many of some captions were dropped."""
    return {"of": len(told), "dropped": sum(told), "share": round(sum(told) / max(1, len(told)), 4)}


def parsed(doc: str | None, clips: int, **more: int) -> argparse.Namespace:
    """Return the options of a benchmark.

    Args:
        doc: of its module; the first line is shown.
        clips: rendered by default.
        more: further numbers, with their defaults.
    """
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    for name, number in {"clips": clips, "seed": 5, **more}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--world", type=Path, help="a world that `synflow world` rendered")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--verbose", action="store_true", help="name the captions that were lost and missed")
    return parser.parse_args()


@contextlib.contextmanager
def measured_world(options: argparse.Namespace) -> Iterator[tuple[list[Clip], Measured]]:
    """Render a world, or take one that is there, and measure it."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = options.world or Path(made)
        if options.world is None:
            render_world(folder, options.clips, options.seed)
        ctx = Measured()
        yield measured(folder, ctx), ctx


def report(results: Mapping[str, Any], complaints: Sequence[str], options: argparse.Namespace) -> None:
    """Print what was found as the options ask."""
    if options.verbose:
        print(*complaints, sep="\n", file=sys.stderr)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, value in results.items():
        shown = f"{value['dropped']:>5} of {value['of']:<5} {value['share']:.1%}" if isinstance(value, dict) else value
        print(f"{name:<32}{shown}")
