"""The 16 tasks in miniature: whole, repeatable, solvable by who knows the truth, and only by that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from synflow.asks import Item, Vector
from synflow.cli import main
from synflow.errors import UsageError
from synflow.evaluate.evaluation import evaluate
from synflow.evaluate.media import Decoder, picture_files
from synflow.evaluate.miniature import write_miniature
from synflow.evaluate.miniature.tasks import Cast
from synflow.evaluate.recipe import load_recipe
from synflow.evaluate.reference import uvrb
from synflow.ids import digest, digest_stream

SEED = 880_000_001


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini") / "data"
    write_miniature(folder, 12, SEED)
    return folder


def rows(mini: Path, name: str, listed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (mini / name / "jsonl" / f"{listed}.jsonl").read_text().splitlines()]


def hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        with path.open("rb") as stream:
            found[path.relative_to(folder).as_posix()] = digest_stream(stream)[0]
    return found


def test_it_has_all_sixteen_with_their_own_kinds_of_query(mini: Path) -> None:
    for name, known in uvrb().items():
        queries, corpus = rows(mini, name, "queries"), rows(mini, name, "corpus")
        assert {frozenset(one) - {"id"} for one in queries} == {frozenset(known.asks)}, name
        assert len({one["id"] for one in corpus}) == len(corpus)
        told = {one["id"] for one in corpus}
        for one in rows(mini, name, "instances"):
            assert one["pos"] and set(one["pos"]) <= told
        for one in corpus:
            stem = Path(one["video"]).stem
            assert len(picture_files(mini / name / "videos_frames" / stem)) == 8
    assert len(rows(mini, "CRB-T", "corpus")) > len(rows(mini, "CRB-T", "queries"))
    assert any(len(one["pos"]) > 1 for one in rows(mini, "CMRB", "instances"))
    for name in ("MS-TI", "MS-TV"):
        assert {len(one["candidates"]) for one in rows(mini, name, "instances")} == {10}


def test_the_frame_that_is_asked_with_is_none_of_the_video(mini: Path) -> None:
    for one in rows(mini, "MSRVTT-I2V", "queries"):
        shown = (mini / "MSRVTT-I2V" / one["image"]).read_bytes()
        frames = picture_files(mini / "MSRVTT-I2V" / "videos_frames" / one["id"].removeprefix("q"))
        assert shown not in [path.read_bytes() for path in frames]


def test_the_same_numbers_give_the_same_bytes_and_nothing_is_drawn_twice(mini: Path, tmp_path: Path) -> None:
    write_miniature(tmp_path / "again", 12, SEED)
    assert hashes(tmp_path / "again") == hashes(mini)
    before = (mini / "MSRVTT" / "jsonl" / "queries.jsonl").stat().st_mtime_ns
    write_miniature(mini, 12, SEED)
    assert (mini / "MSRVTT" / "jsonl" / "queries.jsonl").stat().st_mtime_ns == before
    assert Cast.of(SEED + 1, 12) != Cast.of(SEED, 12) == Cast.of(SEED, 12)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds something else"):
        write_miniature(tmp_path / "other", 12, SEED)


class Knows:
    """Knows which item each query means, from the lists: the upper end of what can be scored."""

    learned = True
    model = "knows"

    def __init__(self, mini: Path) -> None:
        self.where: dict[tuple[str, ...], int] = {}
        self.meant: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for name in uvrb():
            ids = {}
            for one in rows(mini, name, "corpus"):
                ids[one["id"]] = self.where.setdefault(self._film(mini, name, one["video"]), len(self.where))
            wanted = {one["qid"]: one["pos"] for one in rows(mini, name, "instances")}
            for one in rows(mini, name, "queries"):
                text = one.get("text") or ""
                text = " ".join(text) if isinstance(text, list) else text
                shown = self._film(mini, name, one["video"]) if "video" in one else ()
                shown = (digest((mini / name / one["image"]).read_bytes()),) if "image" in one else shown
                own = self.meant.setdefault((text, shown), [])
                own += [ids[item] for item in wanted[one["id"]]]

    @staticmethod
    def _film(mini: Path, name: str, video: str) -> tuple[str, ...]:
        frames = picture_files(mini / name / "videos_frames" / Path(video).stem)
        return tuple(digest(path.read_bytes()) for path in frames)

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        found = []
        for item in items:
            shown = tuple(one.digest for one in item.pictures)
            values = np.zeros(len(self.where), np.float32)
            for place in self.meant.get((item.text or "", shown), [self.where.get(shown, 0)]):
                values[place] = 1
            found.append(Vector(values / np.linalg.norm(values), shown))
        return found


class Looks:
    """Sees mean colours of quarters of the first picture, and reads nothing."""

    learned = True
    model = "looks"

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        found = []
        for item in items:
            values = np.ones(13, np.float32)
            if item.pictures:
                picture = cv2.imdecode(np.frombuffer(item.pictures[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
                assert picture is not None
                values[1:] = cv2.resize(picture, (2, 2), interpolation=cv2.INTER_AREA).ravel() / 64
            bound = tuple(one.digest for one in item.pictures)
            found.append(Vector((values / np.linalg.norm(values)).astype(np.float32), bound))
        return found


def scored(mini: Path, tmp_path: Path, embedder: Any) -> dict[str, float]:
    path = tmp_path / f"{embedder.model}.yaml"
    path.write_text(
        f"version: 1\nname: x\nembedder: {{use: signals}}\nminiature: {{folder: {mini}, clips: 12, seed: {SEED}}}\n"
        f"output: out-{embedder.model}\n"
    )
    with Decoder() as decoder:
        made = evaluate(load_recipe(path), tmp_path, embedder, {"model": embedder.model}, decoder)
    (benchmark,) = made.benchmarks
    assert not benchmark.skipped and all(one.whole for one in benchmark.averages.values())
    return {name: one.value for name, one in benchmark.averages.items() if one.value is not None}


def test_who_knows_the_truth_solves_it_and_who_does_not_cannot(mini: Path, tmp_path: Path) -> None:
    best = scored(mini, tmp_path, Knows(mini))
    assert best["abilities"] > 0.97 and min(best.values()) > 0.9
    seen = scored(mini, tmp_path, Looks())
    # Chance is 1 of 12 and 1 of 8; all texts are one to it, and so it finds one of 12.
    assert seen["VIS"] > 0.25 and seen["CG"] < 0.1


@pytest.mark.slow
def test_the_command_runs_it_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mini.yaml"
    path.write_text(
        "version: 1\nname: mini\nembedder: {use: signals}\nminiature: {folder: data, clips: 12}\noutput: out\n"
    )
    assert main(["evaluate", str(path)]) == 0
    said = capsys.readouterr().err
    assert "16 of 16 datasets" in said and "report.html" in said
    assert (tmp_path / "out" / "report.html").stat().st_size > 50_000


@pytest.mark.slow
def test_the_whole_miniature_takes_half_a_minute(tmp_path: Path, recipe: Callable[..., Path]) -> None:
    path = recipe("mini", embedder={"use": "signals"}, miniature={"folder": "data", "clips": 32})
    began = time.process_time()
    assert main(["evaluate", str(path)]) == 0
    # Two cores for 30 s; it runs on one.
    assert time.process_time() - began < 30
