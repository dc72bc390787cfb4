"""Hard negatives: how many are false, by the script of a world; and what it takes to mine a million.

``python benchmarks/mine.py --world WORLD --run RUN`` mines the t2v pairs of a run over a rendered world whose texts are
the world's own captions (``rectify``, ``enrich`` left out), by `signals` and by a prober that knows words: it compares
the words of a caption with those of other captions of a clip. A negative is false where its clip may be told of by the
query's text: every shape that the text names is in it, in that colour, and for each kind of doing that the text tells
does something of it as in the text's own clip, and a backdrop that the text names is there. These are needed for the
text to be true, not enough: it is a bound from above. Exits 1 where more than `MOST_FALSE` are.

``--vectors 1000000 --dimensions 1024`` mines so many made-up queries among as many targets: time and memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synflow.asks import Item, Vector, said_digest
from synflow.ids import digest, seed_of
from synflow.mining import Settings, mine
from synflow.mining.choice import Limits, choose
from synflow.mining.corpus import Corpus, Shown
from synflow.mining.neighbours import Search
from synflow.models.contract import open_embedder
from synflow.records import TASKS
from synflow.store.negatives import read_negatives
from synflow.store.reader import open_dataset
from synflow.world.script import COLORS, SHAPES

MOST_FALSE = 0.01
NAMED = re.compile(rf"\b({'|'.join(COLORS)}) ({'|'.join(SHAPES)})s?\b")
TURNED = re.compile(rf"\b(turns|from|to) ({'|'.join(COLORS)})\b")
TOLD = {
    "enter": "slides in|comes in|enters|drops in|comes down|rises into|comes up",
    "leave": "slides out|exits|leaves|out of the picture",
    "cross": "crosses|travels across|past from",
    "grow": "grows|swells",
    "shrink": "shrinks|gets much smaller",
    "bounce": "bounces (?!off)",
    "collide": "bumps|collides|runs into",
    "recolor": "turns|changing from",
}
"""Words by which captions of a world tell of each kind of event."""

WAYS = ("kind", "origin", "toward", "color")
Truth = Mapping[str, Any]


class Words:
    """A prober that compares words: of a query's text, and of other captions of the clip that a video is from.

    Args:
        told: first picture of a video, by digest -> what is told of it.
    """

    learned = True
    model = "words-1"
    size = 4096

    def __init__(self, told: Mapping[str, str]) -> None:
        self.told = told

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        """Return one vector for each item."""
        found = []
        for item in items:
            text = item.text if not item.pictures else self.told.get(item.pictures[0].digest, "")
            bound = tuple(digest(picture.jpeg) for picture in item.pictures)
            found.append(Vector(self.placed(text), bound, said_digest(item.text)) if text else Vector(None, bound))
        return found

    def placed(self, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return where the words of a text, and each two of them in a row, put it."""
        values = np.zeros(self.size)
        words = re.findall(r"[a-z]+", text.lower())
        for word in {*words, *(" ".join(two) for two in itertools.pairwise(words))}:
            seed = seed_of("word", word)
            values[seed % self.size] += 1 if seed >> 40 & 1 else -1
        unit: np.ndarray[Any, np.dtype[np.float32]] = (values / np.linalg.norm(values)).astype(np.float32)
        return unit


def movers(truth: Truth, shots: Collection[int] | None = None) -> list[tuple[set[str], str, set[tuple[str, ...]]]]:
    """Return the colours, the shape and the doings of each mover of a clip, or of some of its shots."""
    found = []
    for number, mover in enumerate(truth["movers"]):
        own = [event for event in truth["events"] if number in (event["mover"], event["other"])]
        colors = {mover["color"], *(event["color"] for event in own if event["kind"] == "recolor")}
        done = {tuple(str(event[name]) for name in WAYS) for event in own if shots is None or event["shot"] in shots}
        found.append((colors, mover["shape"], done))
    return found


def settings_told(text: str, own: Truth) -> list[tuple[str, set[str]]]:
    """Return the backdrops of a clip of which a text names a colour, each with the colours that it names."""
    rest = set(re.findall(r"[a-z]+", TURNED.sub(" ", NAMED.sub(" ", text.lower()))))
    named = [(shot["background"]["kind"], colors_of(shot) & rest) for shot in own["shots"]]
    return [one for one in named if one[1]]


def colors_of(shot: Mapping[str, Any]) -> set[str]:
    """Return the colours of the backdrop of a shot."""
    return {shot["background"]["color"], shot["background"]["second"]} - {"", None}


def may_tell(text: str, own: Truth, other: Truth) -> bool:
    """Tell whether a text about ``own`` may be true of ``other`` as well."""
    named = NAMED.findall(text.lower())
    if not named:
        return True
    behind = settings_told(text, own)
    shots = [
        number
        for number, shot in enumerate(other["shots"])
        if not behind or any(shot["background"]["kind"] == kind and named <= colors_of(shot) for kind, named in behind)
    ]
    if not shots:
        return False
    told = {kind for kind, words in TOLD.items() if re.search(words, text.lower())}
    for color, shape in named:
        doings = doings_of(own, color, shape)
        kinds = {one[0] for one in doings} & told
        if not any(
            kind == shape and color in colors and kinds <= {one[0] for one in done & doings}
            for colors, kind, done in movers(other, shots)
        ):
            return False
    return True


def doings_of(truth: Truth, color: str, shape: str) -> set[tuple[str, ...]]:
    """Return all that shapes of that colour do in a clip."""
    return {one for colors, kind, done in movers(truth) if kind == shape and color in colors for one in done}


def differences(text: str, own: Truth, other: Truth) -> int:
    """Return by how many attributes (colour, shape, doing, way) what a text names differs from ``other``."""
    total = 0
    for color, shape in NAMED.findall(text.lower()):
        doings = doings_of(own, color, shape)
        total += min(
            (
                (color not in colors) + (shape != kind) + min(
                    ((one[0] != two[0]) + (one[1:] != two[1:]) for one in doings for two in done), default=2
                )
                for colors, kind, done in movers(other)
            ),
            default=4,
        )  # fmt: skip
    return total


def judged(root: Path, truths: Mapping[str, Truth], prober: Any, settings: Settings) -> dict[str, Any]:
    """Mine a run and compare its negatives with the scripts."""
    began = time.process_time()
    found = mine(root, prober, {"benchmark": True}, settings)
    spent = time.process_time() - began
    dataset = open_dataset(root)
    kinds: dict[str, dict[str, int]] = {}
    for pair_id, rows in read_negatives(root, found.version)["t2v"].items():
        pair = dataset.pair(pair_id)
        own = truths[pair.record["record_id"]]
        for row in rows:
            counts = kinds.setdefault(row["kind"], {"negatives": 0, "false": 0, "one": 0})
            counts["negatives"] += 1
            if row["kind"] == "mined":
                other = truths[dataset.pair(row["negative_pair_id"]).record["record_id"]]
                counts["false"] += may_tell(pair.query.text or "", own, other)
                counts["one"] += differences(pair.query.text or "", own, other) == 1
    return {**kinds, "report": found.report["tasks"]["t2v"], "cpu_seconds": round(spent, 1)}


def of_world(world: Path, root: Path) -> dict[str, Any]:
    """Judge both probers, and chance."""
    truths = {one["id"]: one for one in map(json.loads, (world / "truth.jsonl").read_text().splitlines())}
    told = {}
    for pair in open_dataset(root).stream("t2v"):
        captions = truths[pair.record["record_id"]]["captions"]
        told[digest(pair.target.frames[0])] = " ".join(captions[style] for style in ("dense", "keywords", "partial"))
    settings = Settings()
    rng = np.random.default_rng(1)
    pairs = [(pair.query.text or "", truths[pair.record["record_id"]]) for pair in open_dataset(root).stream("t2v")]
    drawn = [(text, own, pairs[int(rng.integers(len(pairs)))][1]) for text, own in pairs]
    chance = {
        "false": sum(may_tell(*one) for one in drawn if one[1] is not one[2]), "of": len(drawn),
        "one": sum(differences(*one) == 1 for one in drawn if one[1] is not one[2]),
    }  # fmt: skip
    return {
        "signals": judged(root, truths, open_embedder({"use": "signals"}), settings),
        "words": judged(root, truths, Words(told), settings),
        "chance": chance,
    }


def made_up(count: int, width: int) -> np.ndarray[Any, np.dtype[np.float16]]:
    """Return targets in clusters, then a query near each of them, float16 ``[2 * count, width]``."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((max(2, count // 50), width), dtype=np.float32)
    vectors = np.empty((2 * count, width), np.float16)
    for start in range(0, count, 20_000):
        size = min(20_000, count - start)
        own = centres[rng.integers(0, len(centres), size)] + rng.standard_normal((size, width), dtype=np.float32)
        asked = own + 1.2 * rng.standard_normal((size, width), dtype=np.float32)
        for place, values in ((start, own), (count + start, asked)):
            vectors[place : place + size] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return vectors


def of_size(count: int, width: int, exact: int) -> dict[str, Any]:
    """Mine made-up vectors; return minutes of wall and CPU, memory, and how good the index is."""
    vectors = made_up(count, width)
    corpus = Corpus(
        ids=[f"p{n:07}" for n in range(count)], task=[TASKS.index("t2v")] * count,
        query=np.arange(count, 2 * count), target=np.arange(count), groups=[frozenset((n,)) for n in range(count)],
        reference=[("", "", 0.0, 0.0)] * count, asked=[""] * count,
        keys=[n.to_bytes(16, "big") for n in range(2 * count)], where=[],
        shown={n: Shown(f"p{n:07}", n, f"v{n}", n, f"m{n}", f"c{n}", 0.0, 4.0, -1) for n in range(count)},
        said={},
    )  # fmt: skip
    settings = Settings(exact=exact)
    steps: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = (time.perf_counter(), time.process_time())
        found = work()
        steps[name] = [
            round((b - a) / 60, 2) for a, b in zip(began, (time.perf_counter(), time.process_time()), strict=True)
        ]
        return found

    pairs = corpus.pairs_of("t2v")
    limits = timed("positives", lambda: Limits.of(corpus, pairs, vectors, settings))
    search = Search(vectors, corpus.target, settings)
    if not search.exact:
        search._index = timed("index", search._built)
    near = search.near(corpus.query, limits.bars, lambda done, total: print(f"  {done:,}", file=sys.stderr))
    choice = timed("search and choice", lambda: choose(corpus, "t2v", pairs, vectors, limits, near, settings, True))
    memory = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)  # the check below takes more
    some = np.sort(np.random.default_rng(5).choice(count, min(count, 500), replace=False))
    whole = Search(vectors, corpus.target, Settings(exact=count))
    best = list(whole.near(corpus.query[some], limits.bars[some], lambda done, total: None))
    mined = {row["pair_id"]: row["negative_pair_id"] for row in choice.rows}
    hit = [
        mined.get(corpus.ids[n]) in {corpus.ids[i] for i in items[:10]}
        for n, (items, _) in zip(some, best, strict=True)
    ]
    return {
        "vectors": count, "dimensions": width, "minutes (wall, CPU)": steps,
        "GiB at most": memory,
        "report": choice.report, "negative among the true ten nearest": sum(hit) / len(hit),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--world", type=Path, help="folder of a rendered world")
    parser.add_argument("--run", type=Path, help="a finished run over it, whose texts are the world's captions")
    parser.add_argument("--vectors", type=int, default=0)
    parser.add_argument("--dimensions", type=int, default=1024)
    parser.add_argument("--exact", type=int, default=Settings().exact)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.vectors:
        found["size"] = of_size(options.vectors, options.dimensions, options.exact)
    if options.world and options.run:
        found["world"] = of_world(options.world, options.run)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found))
    bad = [
        name
        for name, told in found.get("world", {}).items()
        if name != "chance" and told["mined"]["false"] > MOST_FALSE * told["mined"]["negatives"]
    ]
    print(f"too many false: {', '.join(bad)}" if bad else "bounds kept")
    sys.exit(int(bool(bad)))


if __name__ == "__main__":
    main()
