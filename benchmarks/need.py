"""Whether composed queries need both of their inputs, on a world whose truth is known.

Run: ``python benchmarks/need.py [--clips 300] [--world DIR] [--run DIR] [--embed '{"use": "signals"}']``

A world is curated and expanded without `need`; then `need` judges its composed pairs, and the script of the world says
whether it is right. A pair truly needs both where by the script

* the text fits the target and at least one more video (or, of parts of one video, says what the rest does not show),
* the videos of picture and target share a trait that at least one more video has (or they are parts of one),
* and what fits both is at most half of what fits the text (the paper's bound), and less than what has the trait.

Two controls must be left out: texts that say nothing, and texts that say what the picture shows already.
It ends with 1 where fewer than 95 % of the kept pairs truly need both, or fewer than 95 % of a control are left out.
How many texts of another pair are left out is told besides; some of them fit by chance.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from stages.need import Need, NeedConfig
from synflow import run as engine
from synflow.executors.frames import FrameStore
from synflow.manifest import load_manifest
from synflow.media.colors import COLORS
from synflow.media.looks import look
from synflow.media.session import restored
from synflow.models.contract import open_embedder
from synflow.records import Pair, Sample, Text
from synflow.store.layout import RunLayout
from synflow.store.lines import read_lines
from synflow.store.receipts import read_receipt
from synflow.world.render import render_world

AIM = 0.95
SILENT, REPEATED, SWAPPED = "texts that say nothing", "texts that repeat the picture", "texts of another pair"
USELESS = ("Another video like this one.", "A video in which something can be seen.", "More of the same kind, please.")
STAGES = """
  - validate: {min_short_side: 144}
  - shots: {}
  - rectify: {}
  - dedup: {}
  - consistency: {drop_quantile: 0.0}
  - partners: {}
  - expand: {tasks: [ti2v, tv2v], elsewhere: 0.7}
"""
_SHAPE = re.compile(r"\b(red|orange|yellow|green|blue|purple|pink|white) (circle|square|triangle|star|diamond)\b")
_KIND = re.compile(r"\b(?:the|kind of) (circle|square|triangle|star|diamond) (?:of th|that|in th)", re.IGNORECASE)
_KIND_ALONE = re.compile(r"\bthis kind of (circle|square|triangle|star|diamond)\b", re.IGNORECASE)
"""How a text names the thing of the picture, by its kind alone."""
_OLD = re.compile(
    r"instead of (?:the )?\w+(?: one)?|rather than \w+|, not \w+|"
    r"(?:the|this|of) (?:picture|clip|video)? ?(?:of|with) the [\w ,-]*?(?=[,.])|"
    r"with [\w ]+ over most of it|with much \w+|less \w+[\w ]*|without so much \w+[\w ]*"
)
"""Parts of a text that speak of the reference, or of what the target has less of."""


_AMOUNT = re.compile(
    rf"\b(more|less|without so much) ({'|'.join(COLORS)})\b(?: and (?:less|more) \w+)?(?: (?:at|on|in) the (\w+))?"
)
_SIDES = {"top": "top", "bottom": "bottom", "left": "left", "right": "right", "middle": "center"}


class Truth:
    """What the script of a world says of a clip's video: things, colours, backgrounds."""

    def __init__(self, line: Mapping[str, Any]) -> None:
        movers, shots = line["movers"], line["shots"]
        self.things = {(mover["color"], mover["shape"]) for mover in movers}
        for event in line["events"]:
            if event["kind"] == "recolor":
                self.things.add((event["color"], movers[event["mover"]]["shape"]))
        grounds = [shot["background"] for shot in shots]
        self.grounds = {(ground["kind"], ground["color"]) for ground in grounds}
        self.palettes = {tuple(sorted({ground["color"], ground["second"]} - {""})) for ground in grounds}
        self.inks = {ground[name] for ground in grounds for name in ("color", "second") if ground[name]}
        self.colors = self.inks | {color for color, _ in self.things}
        self.kinds = {ground["kind"] for ground in grounds}
        self.style = line["style"]

    def shared(self, other: Truth) -> list[tuple[str, Any]]:
        """Return what two videos have in common, the rarest kind of trait first."""
        common: list[tuple[str, Any]] = [("thing", one) for one in sorted(self.things & other.things)]
        common += [("ground", one) for one in sorted(self.grounds & other.grounds)]
        common += [("inks", one) for one in sorted(self.palettes & other.palettes)]
        common += [("backdrop", one) for one in sorted({c for _, c in self.grounds} & {c for _, c in other.grounds})]
        common += [("shape", one) for one in sorted({s for _, s in self.things} & {s for _, s in other.things})]
        common += [("color", one) for one in sorted(self.colors & other.colors)]
        return common + ([("style", self.style)] if self.style == other.style else [])

    def has(self, trait: tuple[str, Any]) -> bool:
        """Tell whether the video has a trait."""
        kind, value = trait
        return {
            "thing": lambda: value in self.things,
            "ground": lambda: value in self.grounds,
            "inks": lambda: value in self.palettes,
            "backdrop": lambda: value in {color for _, color in self.grounds},
            "shape": lambda: value in {shape for _, shape in self.things},
            "color": lambda: value in self.colors,
            "style": lambda: value == self.style,
        }[kind]()

    def fits(self, said: Sequence[tuple[str, Any]]) -> bool:
        """Tell whether the video has all that a text says of it."""
        return all(self.has(trait) for trait in said)


def said_of(text: str) -> list[tuple[str, Any]]:
    """Return what a composed text says of its target, in terms of the script: things with their colours, colours."""
    bare = _OLD.sub(" ", text)
    said: list[tuple[str, Any]] = [("thing", match.groups()) for match in _SHAPE.finditer(bare)]
    for shape, color in re.findall(r"the (circle|square|triangle|star|diamond) is (\w+)", bare):
        said.append(("thing", (color, shape)))
    said += [("shape", kind.lower()) for kind in (*_KIND.findall(bare), *_KIND_ALONE.findall(bare))]
    told = {color for _, value in said for color in value if color in COLORS}
    said += [("color", color) for color in COLORS if color not in told and re.search(rf"\b{color}\b", bare)]
    # Shades of light are not in the script: black and white may be shadow and glare.
    return [(kind, value) for kind, value in said if value not in ("black", "white", "grey")]


class World:
    """A world that was curated and expanded, with its truth."""

    def __init__(self, world: Path, out: Path, embed: Mapping[str, Any]) -> None:
        self.layout = RunLayout(out)
        lines = map(json.loads, (world / "truth.jsonl").read_text().splitlines())
        self.truth = {line["id"]: Truth(line) for line in lines}
        self.samples: list[Sample] = []
        for path in sorted(self.layout.receipts("expand").glob("*.json")):
            receipt = read_receipt(path)
            assert receipt is not None
            pairs: dict[str, list[Pair]] = {}
            for value in read_lines(self.layout, receipt.objects.get("pairs")):
                pairs.setdefault(value["key"], []).append(Pair.model_validate(value["pair"]))
            for value in read_lines(self.layout, receipt.objects.get("samples")):
                sample = Sample.model_validate(value)
                self.samples.append(sample.having(pairs=tuple(pairs.get(sample.key, ()))))
        self.pairs = [pair for sample in self.samples for pair in sample.pairs if pair.task in ("ti2v", "tv2v")]
        store = FrameStore(self.layout, None)
        media = SimpleNamespace(stills=lambda sample: restored(sample, store.read(sample)))
        self.ctx: Any = SimpleNamespace(media=media, embed=open_embedder(embed), frames=8)
        self.looks: dict[str, Any] = {}

    def judged(self, changed: Mapping[str, Pair] | None = None) -> dict[str, str]:
        """Return pair id -> why `need` leaves it out; empty where it is kept. ``changed``: others in their place."""
        stage = Need(NeedConfig(unknown="drop"))
        given = changed or {}
        samples = [s.having(pairs=tuple(given.get(p.id, p) for p in s.pairs)) for s in self.samples]
        rows = [row for sample in samples for row in stage.rows([sample], self.ctx) if row is not None]
        decisions = stage.settle(rows, 42)
        return {pair: value[-1] for one in decisions for pair, value in (one.note or {}).items()}

    def needs_both(self, pair: Pair) -> str:
        """Return why a pair does not need both by the script; empty where it does."""
        said, goal = said_of(pair.query.text.text if pair.query.text else ""), self.truth[pair.record_id]
        if pair.kinship in ("part", "shot"):
            return "" if self.tells_part(pair) else "the rest of the video fits the text as well"
        if not goal.fits(said):
            return "the text is not true of the target"
        shared = self.truth[pair.query_record_id].shared(goal)
        if not shared:
            return "picture and target have nothing in common"
        others = [one for name, one in self.truth.items() if name not in (pair.record_id, pair.query_record_id)]
        by_text = 1 + sum(one.fits(said) for one in others)
        if by_text == 1:
            return "the text alone finds the target"
        for trait in shared:
            by_image = 1 + sum(one.has(trait) for one in others)
            by_both = 1 + sum(one.fits(said) and one.has(trait) for one in others)
            if by_image > 1 and 2 * by_both <= by_text and by_both < by_image:
                return ""
        return "no trait of the picture cuts by half what the text finds"

    def main_color(self, pair: Pair) -> str:
        """Return the colour that covers most of the picture, or of the clip, of a query."""
        wanted = (
            pair.query.image.frame if pair.query.image else pair.query.video.frames[0] if pair.query.video else None
        )
        sample = next(one for one in self.samples if wanted in one.frames)
        rgb = self.ctx.media.stills(sample).rgb[sample.frames.index(wanted)]
        shares = look(rgb, rgb.shape[:2]).colors
        return max((color for color in COLORS if color != "grey"), key=lambda color: shares[color])

    def tells_part(self, pair: Pair) -> bool:
        """Tell whether the target has more of a colour that a text names than the rest of its video, or other light."""
        text = pair.query.text.text if pair.query.text else ""
        goal = pair.target.video
        assert goal is not None
        inside, outside = [], []
        for sample in (one for one in self.samples if one.record_id == pair.record_id):
            for frame, rgb in zip(sample.frames, self.ctx.media.stills(sample).rgb, strict=True):
                (inside if goal.start <= frame.time <= goal.end else outside).append(look(rgb, rgb.shape[:2]))
        if not inside or not outside:
            return False
        for word, color, place in _AMOUNT.findall(text):
            side = _SIDES.get(place, "")
            here, there = (
                np.mean([(one.regions[side] if side else one.colors)[color] for one in part])
                for part in (inside, outside)
            )
            if (here - there) * (1 if word == "more" else -1) > 0.01:
                return True
        light = np.mean([one.light for one in inside]) - np.mean([one.light for one in outside])
        if re.search(r"\b(?:brighter|darker)\b", text):
            return bool(light > 0) == ("brighter" in text)
        return bool(
            re.search(r"\b(?:moves|further|camera|grows|gives way|movement|less and less|more and more)\b", text)
        )


def controls(world: World, rng: random.Random) -> dict[str, dict[str, Pair]]:
    """Return pairs made useless: name of the control -> id of the true pair -> the pair that stands for it."""
    texts = [pair.query.text.text for pair in world.pairs if pair.query.text]
    made: dict[str, dict[str, Pair]] = {SILENT: {}, REPEATED: {}, SWAPPED: {}}
    for pair in world.pairs:
        own = pair.query.text.text if pair.query.text else ""
        color = world.main_color(pair)
        said = {
            SILENT: rng.choice(USELESS),
            REPEATED: f"Another video with {color} in it.",
            SWAPPED: _other(rng, texts, own),
        }
        for name, text in said.items():
            side = pair.query.model_copy(update={"text": Text(text=text, style="composed")})
            made[name][pair.id] = pair.model_copy(update={"query": side})
    return made


def _other(rng: random.Random, texts: Sequence[str], own: str) -> str:
    while (text := rng.choice(texts)) == own and len(set(texts)) > 1:
        pass
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--world", type=Path, help="a world that was rendered before")
    parser.add_argument("--run", type=Path, help="where the run is, or shall be kept")
    parser.add_argument("--embed", type=json.loads, default={"use": "signals"}, help="the embedder, as in a manifest")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = options.world or Path(folder) / "world"
        if options.world is None:
            render_world(home, options.clips, seed=options.seed, defects=0.0)
        out = options.run or Path(folder) / "run"
        if not (out / "dataset.json").is_file():
            models = json.dumps({"vlm": {"use": "signals"}, "embed": options.embed})
            text = f"version: 1\nname: need\nseed: 42\ninputs: [{{clips: {home}/videos.jsonl}}]\nshard_clips: 16\n"
            text += f"executor: {{use: serial}}\nmodels: {models}\nstages:{STAGES}"
            (Path(folder) / "need.yaml").write_text(text)
            engine.run(load_manifest(Path(folder) / "need.yaml"), out)
        return told(World(home, out, options.embed))


def told(world: World) -> int:
    """Print what `need` decided and what the script says of it; return the exit code."""
    fates, truth = world.judged(), {pair.id: world.needs_both(pair) for pair in world.pairs}
    kinds = {pair.id: f"{pair.task} {pair.kinship}" for pair in world.pairs}
    kept = [name for name, why in fates.items() if not why]
    print(f"{len(world.samples)} clips; kept of the composed pairs {_share([not why for why in fates.values()])}")
    print("left out:", ", ".join(f"{why} {n}" for why, n in Counter(filter(None, fates.values())).most_common()))
    print(
        f"truly need both: of all {_share([not truth[n] for n in fates])}, "
        f"of the kept {_share([not truth[n] for n in kept])}"
    )
    for kind in sorted(set(kinds.values())):
        own = [name for name in fates if kinds[name] == kind]
        good = [not truth[name] for name in own if not fates[name]]
        print(f"  {kind:16} {len(own):5} pairs, kept {len(good):4}, of those truly {_share(good)}")
    for why, number in Counter(truth[name] for name in kept if truth[name]).most_common():
        print(f"  kept, but {why}: {number}")
    missed = sum(bool(truth[name]) for name in kept) / max(1, len(kept))
    failed = not kept or missed > 1 - AIM
    for name, changed in controls(world, random.Random(5)).items():
        left = [bool(why) for why in world.judged(changed).values()]
        print(f"control, {name}: left out {_share(left)}")
        failed = failed or (name != SWAPPED and np.mean(left) < AIM)
    return int(failed)


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values)} of {len(values)} ({np.mean(values):.1%})" if values else "0 of 0"


if __name__ == "__main__":
    raise SystemExit(main())
