"""What the study trains on: rendered worlds, captions of which a known share is false, and runs over them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synflow.ids import unit_of
from synflow.store.index import pair_columns
from synflow.store.reader import open_dataset
from synflow.world.captions import captions
from synflow.world.plot import write_script

SWAPPED = 0.75
"""Share of the false captions that are those of another clip; the others advertise."""
ADVERTS = (
    "Welcome back to video {n} of our channel! Like, subscribe and hit the bell so that you never miss an upload.",
    "Stock footage clip {n}, royalty free, available in HD and 4K. Buy a licence on our website today.",
    "Thanks for watching number {n}! Follow us for more and leave a comment below.",
)
CAPTION_DEFECTS = frozenset({"wrong-caption", "boilerplate-caption", "wrong-order"})
"""Defects that a world plants in captions; here they are taken out, so that the share of false ones is the study's."""

HEAD = """\
version: 1
name: {name}
seed: 42
inputs: [{{clips: {clips}, root: {root}}}]
output: {out}
executor: {{use: serial}}
models: {{vlm: {{use: signals}}, embed: {{use: signals}}}}
media: {{video: frames, frames: 8, short_side: 144, jpeg_quality: 90}}
stages:
  - validate: {{min_short_side: 144}}
"""
FILTERS = """\
  - shots: {}
  - rectify: {}
  - quality: {}
  - dynamics: {}
  - dedup: {}
  - consistency: {drop_quantile: 0.15}
"""
CAPTIONERS = """\
  - partners: {}
  - enrich: {captions: 5}
  - audit: {}
"""
STRAIGHT = "  - expand: {tasks: [t2v], focus_per_clip: 0, weights: {raw: 1.0}}\n"
STAGES = {
    "raw": STRAIGHT,
    "curation": FILTERS + STRAIGHT,
    "expansion": FILTERS + CAPTIONERS + "  - expand: {}\n",
}
"""The runs of the study: what each adds to the one before."""
BASE = "  - expand: {tasks: [t2v], t2v_per_clip: 4, focus_per_clip: 0, weights: {raw: 1.0}}\n"


@dataclass(frozen=True)
class World:
    """A rendered world: its folder, clips, seed, and share of clips with a planted defect."""

    folder: Path
    clips: int
    seed: int
    defects: float

    def render(self) -> None:
        """Render it where it is not there yet."""
        if not (self.folder / "videos.jsonl").is_file():
            numbers = ["--clips", str(self.clips), "--seed", str(self.seed), "--defects", str(self.defects)]
            synflow("world", str(self.folder), *numbers)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the entries of its list or truth."""
        text = (self.folder / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()[: self.clips]]


def synflow(*words: str) -> None:
    """Run a command of synflow in a process of its own."""
    subprocess.run([sys.executable, "-m", "synflow", *words], check=True, stdout=subprocess.DEVNULL)


def spoilt(told: Mapping[str, str], share: float) -> dict[str, str]:
    """Return the false captions among those of all clips, by clip.

    A clip that has a false caption at one share has the same kind of it at every larger one.

    Args:
        told: clip -> its true caption.
        share: of the clips that get a false one, 0 to 1.
    """
    chosen = [name for name in told if unit_of("false caption", name) < share]
    found: dict[str, str] = {}
    for place, name in enumerate(chosen):
        if unit_of("kind of false caption", name) < SWAPPED:
            # The next one along: all texts are still of this world, each of a clip that it does not tell of.
            found[name] = told[chosen[(place + 1) % len(chosen)]]
        else:
            found[name] = ADVERTS[int(unit_of("advert", name) * len(ADVERTS))].format(n=place + 1)
    return {name: text for name, text in found.items() if text != told[name]}


def true_captions(world: World) -> dict[str, str]:
    """Return the caption of each clip, with the defects that the world planted in captions taken out."""
    pairs = zip(world.lines("videos.jsonl"), world.lines("truth.jsonl"), strict=True)
    return {
        listed["id"]: truth["captions"]["summary"] if truth["defect"] in CAPTION_DEFECTS else listed["caption"]
        for listed, truth in pairs
    }


def write_list(path: Path, world: World, told: Mapping[str, str | Sequence[str]]) -> None:
    """Write a list of the clips of a world with these captions."""
    rows = [{**row, "caption": told[row["id"]]} for row in world.lines("videos.jsonl")]
    path.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), encoding="utf-8")


def run_base(out: Path, world: World) -> Path:
    """Return a run over the base's own world: true short captions, told in four ways each."""
    path = out / "base-list.jsonl"
    several = {}
    for index, row in enumerate(world.lines("videos.jsonl")):
        script = write_script(world.seed, index)
        said = [captions(script, salt)["summary"] for salt in ("", "base 0", "base 1", "base 2")]
        several[row["id"]] = list(dict.fromkeys(said))
    write_list(path, world, several)
    return run(out, "base-run", path, world, BASE)


def run(out: Path, name: str, clips: Path, world: World, stages: str, reuse: Path | None = None) -> Path:
    """Return a finished run of a manifest with these stages; one that was finished before is left as it is."""
    folder = out / name
    if not (folder / "dataset.json").is_file():
        manifest = out / f"{name}.yaml"
        head = HEAD.format(name=name, clips=clips.absolute(), root=world.folder.absolute(), out=folder.absolute())
        manifest.write_text(head + stages, encoding="utf-8")
        more = ["--reuse", str(reuse)] if reuse else []
        synflow("run", str(manifest), *more)
    return folder


def runs_of(out: Path, world: World, noise: int, earlier: Mapping[str, Path]) -> dict[str, Path]:
    """Return the runs of one share of false captions (percent).

    Args:
        out: folder of the study.
        world: the clips.
        noise: percent of the clips that get a false caption.
        earlier: runs of another share; what holds of them is taken over.
    """
    told = true_captions(world)
    path = out / f"clips-{noise}.jsonl"
    write_list(path, world, {**told, **spoilt(told, noise / 100)})
    found: dict[str, Path] = {}
    for name, stages in STAGES.items():
        before = earlier.get(name) or (found["curation"] if name == "expansion" else None)
        found[name] = run(out, f"{name}-{noise}", path, world, stages, before)
    return found


def facts_of(folder: Path, false: Mapping[str, str]) -> dict[str, Any]:
    """Return what a run holds: pairs by task, videos, and its pairs on captions that came with false clips."""
    dataset = open_dataset(str(folder))
    columns = pair_columns(
        dataset.files.whole("index/pairs.parquet") or b"", ("task", "style", "record_id", "source_id")
    )
    tasks: dict[str, int] = {}
    raw = wrong = 0
    for task, style, record in zip(columns["task"], columns["style"], columns["record_id"], strict=True):
        tasks[task] = tasks.get(task, 0) + 1
        raw += style == "raw"
        wrong += style == "raw" and record in false
    return {"pairs": tasks, "videos": len(set(columns["source_id"])), "raw": raw, "false": wrong}
