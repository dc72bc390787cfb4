"""The curation stages on the real clips of ../shared/data, measured against their labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from curation_films import Films

from stages.dedup import Dedup
from stages.dynamics import Dynamics
from stages.quality import Quality
from stages.shots import Shots
from stages.validate import Validate, ValidateConfig
from synflow.contract import Drop, Keep, Outcome, Scan, Split
from synflow.media.sandbox import Sandbox
from synflow.media.session import MediaSession
from synflow.media.shots import find_cuts
from synflow.media.signature import pack, signature
from synflow.records import Caption, Location, Sample, Source

NEAR = 0.35
"""Seconds by which a cut may be off its label (a dissolve counts as a cut at its middle)."""

Labels = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def labels(shared_data: Path) -> Labels:
    lines = (shared_data / "facts.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


@pytest.fixture(scope="module")
def media(shared_data: Path, labels: Labels) -> Iterator[MediaSession]:
    sandbox = Sandbox()
    places = {name: Location(path=str(shared_data / record["path"])) for name, record in labels.items()}
    yield MediaSession(places, sandbox)
    sandbox.close()


@pytest.fixture(scope="module")
def scan_of(media: MediaSession) -> Callable[[str], Scan]:
    def scan(name: str) -> Scan:
        return media.scan(sample_of(name))

    return scan


class Real(Films):
    """A context of real clips."""

    session: MediaSession

    @property
    def media(self) -> MediaSession:  # type: ignore[override]
        return self.session


def sample_of(name: str) -> Sample:
    return Sample(source=Source(record_id=name, uri=name), captions=(Caption(text="a clip of the set"),))


def curated(name: str, media: MediaSession) -> list[Outcome]:
    """What validate, shots, quality and dynamics make of a clip; limits low enough for the small ones."""
    ctx = Real()
    ctx.session = media
    done: list[Outcome] = []
    todo = [sample_of(name)]
    for stage in (Validate(ValidateConfig(min_short_side=100)), Shots(), Quality(), Dynamics()):
        outcomes = stage(todo, ctx)
        done += [outcome for outcome in outcomes if isinstance(outcome, Drop)]
        todo = [outcome.sample for outcome in outcomes if isinstance(outcome, Keep)]
        todo += [sample for outcome in outcomes if isinstance(outcome, Split) for sample in outcome.samples]
    media.release(name)
    return [*done, *(Keep(sample) for sample in todo)]


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("elk_snow", [None]),
        ("panda_A3y8N3nnVJ8_68", [None]),
        ("terminal_mp4", [None]),
        ("flower_webm", [None]),
        ("panda_C_7tn_oGHI0_432", ["static-clip"]),
        ("panda_UaQKCrszICw_16", ["static-clip"]),
        ("panda_6fHASeSrH8w_43", ["too-short"]),
        ("potted_tree", ["too-short"]),
    ],
)
def test_known_clips(name: str, reasons: list[str | None], media: MediaSession):
    outcomes = curated(name, media)
    assert [outcome.reason if isinstance(outcome, Drop) else None for outcome in outcomes] == reasons


@pytest.mark.slow
def test_cuts(labels: Labels, scan_of: Callable[[str], Scan]):
    right = wrong = missed = 0
    told = []
    for name, label in labels.items():
        scan = scan_of(name)
        left = list(label["cut_times"])
        for cut in find_cuts(scan.times, scan.luma):
            near = [time for time in left if abs(time - cut.time) <= NEAR]
            if near:
                left.remove(min(near, key=lambda time: abs(time - cut.time)))
                right += 1
            else:
                wrong += 1
                told.append((name, cut))
        missed += len(left)
    assert 2 * right / (2 * right + wrong + missed) >= 0.92, told


@pytest.mark.slow
def test_near_static(labels: Labels, scan_of: Callable[[str], Scan]):
    confused = []
    right = 0
    for name, label in labels.items():
        scan = scan_of(name)
        ctx = Films({name: scan.luma})
        ctx.scan = lambda sample, scan=scan: scan  # type: ignore[method-assign]
        dropped = isinstance(Dynamics()([sample_of(name)], ctx)[0], Drop)
        right += dropped and label["near_static"]
        if dropped != label["near_static"]:
            confused.append(name)
    assert 2 * right / (2 * right + len(confused)) >= 0.9, confused


@pytest.mark.slow
def test_good_clips_are_not_dropped_for_quality(labels: Labels, media: MediaSession):
    bad = {"black", "blurred", "frozen", "blocky"}
    dropped = {
        name: outcome
        for name, label in labels.items()
        for outcome in curated(name, media)
        if isinstance(outcome, Drop)
        and outcome.reason in bad
        # What is nearly static goes anyway; that it stands still may be noticed here first.
        and not (outcome.reason == "frozen" and label["near_static"])
    }
    assert set(dropped) <= {"carphone_distorted"}, dropped


@pytest.mark.slow
def test_duplicates(labels: Labels, scan_of: Callable[[str], Scan]):
    rows = []
    for name, label in labels.items():
        scan = scan_of(name)
        thumbs = pack(signature(scan.times, scan.luma))
        pixels = label["width"] * label["height"]
        rows.append({"clip": name, "source": label["sha256"], "span": [0.0, scan.end], "pixels": pixels, "said": 9,
                     "captions": [], "thumbs": thumbs})  # fmt: skip
    decisions = Dedup().settle(rows, 0)
    dropped = {str(row["clip"]): d.drop.detail for row, d in zip(rows, decisions, strict=True) if d.drop}
    group = {name: label["duplicate_group"] for name, label in labels.items()}
    assert all(group[one] and group[one] == group[kept] for one, kept in dropped.items()), dropped
    members = [name for name in group.values() if name]
    assert len(dropped) == len(members) - len(set(members))
