"""Shot cuts against their labels, ours and PySceneDetect's: how many are right, and what that costs.

``python benchmarks/cuts.py [--peer PYTHON] [--each N] [--seed N]`` looks for cuts in the labelled real clips and in
``N`` films of each kind composed of them (`films`), and prints precision, recall and F1, the share of films
without a cut in which one was found, and CPU-seconds per minute of video beyond decoding it.

PySceneDetect brings a second OpenCV along and so needs an environment of its own; where ``--peer`` does not name its
Python, that peer is left out:
``python3 -m venv peer && peer/bin/pip install "scenedetect[opencv-headless]==0.7.2"``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import cv2
from films import CUT, UNCUT, Made, films, half_of

from synflow.media.sandbox import Sandbox
from synflow.media.session import MediaSession
from synflow.media.shots import find_cuts
from synflow.records import Location, Sample, Source

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

NEAR = 0.35
"""Seconds by which a cut may be off its label (a gradual one is labelled at its middle)."""

PEER = """
import json, sys, time
import cv2
from scenedetect import AdaptiveDetector, ContentDetector, SceneManager, open_video
cv2.setNumThreads(1)
for line in sys.stdin:
    told = {}
    began = time.process_time()
    video = open_video(line.strip())
    while video.read() is not False:
        pass
    bare = time.process_time() - began
    for name, detector in (("content", ContentDetector()), ("adaptive", AdaptiveDetector())):
        began = time.process_time()
        manager = SceneManager()
        manager.add_detector(detector)
        video = open_video(line.strip())
        manager.detect_scenes(video)
        cuts = [start.seconds for start, _ in manager.get_scene_list()][1:]
        told[name] = [cuts, max(0.0, time.process_time() - began - bare)]
    print(json.dumps(told), flush=True)
"""

Found = dict[str, tuple[list[float], float]]
"""Detector -> times of the cuts in seconds, CPU-seconds."""


@dataclass
class Score:
    """What one detector made of one kind of film."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    films: int = 0
    alarmed: int = 0
    cpu: float = 0.0
    seconds: float = 0.0

    def add(self, truth: Iterable[float], found: Iterable[float], cpu: float, seconds: float) -> None:
        """Count one film; each label is met by the nearest cut that no other label has."""
        left = list(truth)
        wrong = 0
        for cut in found:
            near = [label for label in left if abs(label - cut) <= NEAR]
            if near:
                left.remove(min(near, key=lambda label: abs(label - cut)))
                self.right += 1
            else:
                wrong += 1
        self.wrong += wrong
        self.missed += len(left)
        self.films += 1
        self.alarmed += wrong > 0
        self.cpu += cpu
        self.seconds += seconds

    def row(self) -> str:
        """Return precision, recall and F1, or the share of films with a false alarm where nothing was to be found."""
        cost = f"{60 * self.cpu / max(1e-9, self.seconds):7.3f}"
        if not self.right + self.missed:
            return f"{'alarm':>8} {self.alarmed / max(1, self.films):5.1%}        {cost}"
        precision = self.right / max(1, self.right + self.wrong)
        recall = self.right / (self.right + self.missed)
        f1 = 2 * self.right / (2 * self.right + self.wrong + self.missed)
        return f"{precision:6.3f} {recall:6.3f} {f1:6.3f} {cost}"


@dataclass
class Board:
    """Scores by group of films and detector."""

    scores: dict[str, dict[str, Score]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Score)))

    def add(self, groups: Iterable[str], truth: Iterable[float], found: Found, seconds: float) -> None:
        """Count what every detector found in one film, in each of its groups."""
        truth = list(truth)
        for group in groups:
            for name, (cuts, cpu) in found.items():
                self.scores[group][name].add(truth, cuts, cpu, seconds)

    def print(self) -> None:
        """Print one row for each group and detector."""
        print(f"{'films':22} {'detector':9} {'prec.':>6} {'recall':>6} {'F1':>6} {'CPU-s/min':>9}")
        for group, scores in self.scores.items():
            for name, score in scores.items():
                print(f"{group:22} {name:9} {score.row()}")


class Peer:
    """PySceneDetect in its own environment; told one file after another."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", PEER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the scaler of its decoder warns of every file
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def cuts(self, path: Path) -> Found:
        """Return what its detectors find in a file."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"error: PySceneDetect ended at {path}")
        told = json.loads(line)
        return {name: (cuts, cpu) for name, (cuts, cpu) in told.items()}

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def ours(path: Path, sandbox: Sandbox) -> tuple[Found, float]:
    """Return what synflow finds in a file, from its shared scan, and how long the file is in seconds."""
    sample = Sample(source=Source(record_id="film", uri=path.name))
    scan = MediaSession({"film": Location(path=str(path))}, sandbox).scan(sample)
    began = time.process_time()
    cuts = [cut.time for cut in find_cuts(scan.times, scan.luma)]
    return {"synflow": (cuts, time.process_time() - began)}, scan.end


def labelled(data: Path) -> Iterator[Made]:
    """Return the real clips with the times of their cuts."""
    for line in (data / "facts.jsonl").read_text(encoding="utf-8").splitlines():
        fact = json.loads(line)
        half = half_of(fact["duplicate_group"] or fact["look_alike_group"] or fact["id"])
        yield Made(data / fact["path"], "real", half, tuple(fact["cut_times"]))


def groups_of(film: Made) -> list[str]:
    """Return the rows of the table that a film counts in."""
    if film.kind == "real":
        return ["real clips", f"real clips, half {film.half}"]
    family = "all with cuts" if film.kind in CUT else "all without cuts"
    return [family, f"{family}, half {film.half}", film.kind]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of labelled clips (facts.jsonl)")
    parser.add_argument("--peer", help="Python of an environment with scenedetect 0.7.2")
    parser.add_argument("--each", type=int, default=4, help="films of each kind")
    parser.add_argument("--no-real", action="store_true", help="leave the labelled clips themselves out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not (args.data / "facts.jsonl").is_file():
        print(f"skipped: no labelled clips in {args.data}")
        return 0
    if args.peer is None:
        print("PySceneDetect is left out: --peer names no Python that has it (see the top of this file)")
    cv2.setNumThreads(1)
    peer, sandbox, board = Peer(args.peer) if args.peer else None, Sandbox(), Board()
    with tempfile.TemporaryDirectory() as folder:
        real = () if args.no_real else labelled(args.data)
        for film in chain(real, films(args.data, Path(folder), args.each, args.seed)):
            found, seconds = ours(film.path, sandbox)
            if peer is not None:
                found |= peer.cuts(film.path)
            board.add(groups_of(film), film.cuts, found, seconds)
            if film.kind != "real":
                film.path.unlink()
    sandbox.close()
    if peer is not None:
        peer.close()
    board.print()
    kinds = f"{len(CUT)} kinds with cuts, {len(UNCUT)} without"
    print(f"cuts count as found within {NEAR} s; {args.each} films of each of {kinds}, seed {args.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
