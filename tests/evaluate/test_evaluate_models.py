"""Recipes, plugins and what is checked of them; probes, held-out runs and comparisons of models that are known."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_uvrb import COUNT, frames, jpeg, lists, plain
from oracles import InOrder, Oracle

from synflow.asks import Item, Vector
from synflow.cli import main
from synflow.evaluate.comparison import compared, difference, resampled
from synflow.evaluate.conformance import ITEMS, shortfalls
from synflow.evaluate.layout import read_dataset
from synflow.evaluate.media import Decoder, Loader
from synflow.evaluate.probes import Bench, exchanged, misspelt, overall, probe
from synflow.evaluate.probes import plain as unpunctuated
from synflow.evaluate.scoring import Cosine
from synflow.evaluate.vectors import VectorCache
from synflow.models.signals.embedder import SignalsEmbedder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mining"))

from mining_runs import COLORS, made_run

Typed = Callable[..., dict[str, Any]]
HEAD = "version: 1\nname: a\noutput: o\nembedder: "


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (HEAD + "{use: signals}\n", "names nothing to evaluate on"),
        (HEAD + "{use: oracel}\nuvrb: {root: .}\n", "did you mean `oracle`"),
        (
            HEAD + "{use: signals, n: 3}\nuvrb: {root: .}\n",
            "embedder.n: unknown key",
        ),
        (HEAD + "{use: signals}\nuvrb: {rot: .}\n", "uvrb.rot: unknown key"),
        (
            HEAD + "{use: signals}\nuvrb: {root: .}\nframes: 0\n",
            ":6: frames: must be",
        ),
        (HEAD + "{use: signals}\nuvrb: {root: ., datasets: [MSRVT]}\n", "'MSRVT'"),
        (HEAD + "{use: oracle, wrong: 1}\nuvrb: {root: .}\n", "takes no `wrong`"),
        (HEAD + "{use: signals}\nuvrb: {root: gone}\n", "is not a folder"),
        ("- 1\n", "must be a mapping"),
        ("version: 1\nname: &a b\n", "anchor"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_one_line_and_a_remedy(
    text: str, cause: str, tmp_path: Path, plugin: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    assert main(["evaluate", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert cause in said[0] and said[0].startswith("error: ") and said[1].startswith("remedy: ")
    assert len(said) == 2 and not (tmp_path / "o").exists()


def test_the_recipes_that_ship_are_right(tmp_path: Path) -> None:
    from synflow.evaluate.recipe import load_recipe

    page = (Path(__file__).resolve().parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml").miniature is not None
    shipped = sorted((Path(__file__).resolve().parents[2] / "manifests" / "evaluate").glob("*.yaml"))
    assert len(shipped) >= 3
    for path in shipped:
        assert load_recipe(path).name == path.stem


def test_a_plugin_is_checked(plugin: None, recipe: Callable[..., Path], evaluated: Typed) -> None:
    path = recipe(uvrb={"root": "."}, embedder={"use": "signals"})
    assert evaluated(path, "--check") == {"model": "signals-embed/3", "sound": True, "shortfalls": []}


class Faulty:
    """A sound embedder of which one thing is spoilt."""

    def __init__(self, fault: str) -> None:
        self.fault, self.model, self._sound = fault, "" if fault == "id" else "faulty", SignalsEmbedder()

    def embed(self, items: Any) -> list[Vector]:
        found = list(self._sound.embed(items))
        if self.fault == "count":
            return found[:-1]
        changed = []
        for place, one in enumerate(found):
            if one.values is None:
                changed.append(replace(one, values=np.ones(4, np.float32) / 2) if self.fault == "empty" else one)
                continue
            values = {
                "length": one.values * 2,
                "double": one.values.astype(np.float64),
                "company": np.roll(one.values, len(items)),
                "place": np.roll(one.values, place),
            }.get(self.fault, one.values)
            bound = one.bound[::-1] if self.fault == "bound" else one.bound
            changed.append(replace(one, values=values, bound=bound))
        return changed

    def parts(self, items: Any) -> Any:
        wrong = self.fault == "parts"
        return [np.full((2, 3), 1.0 if wrong else 3**-0.5, np.float32) for _ in items]


@pytest.mark.parametrize("fault", ["count", "length", "double", "company", "place", "bound", "empty", "id", "parts"])
def test_each_fault_of_an_embedder_is_found(fault: str) -> None:
    assert shortfalls(Faulty(fault))
    assert not shortfalls(Faulty("none"))
    assert len(ITEMS) > 4


def bench(tmp_path: Path, embedder: Any) -> Bench:
    return Bench(embedder, VectorCache(tmp_path / "vectors", {"model": str(type(embedder))}), Loader(), Cosine())


def collection(folder: Path) -> Any:
    with Decoder() as decoder:
        return read_dataset(folder, decoder, "data", "T", "R@1", "")


def test_order_is_told_by_who_sees_it_and_by_nobody_else(tmp_path: Path) -> None:
    for number in range(1, COUNT + 1):
        place = tmp_path / "data" / "videos_frames" / f"v{number}"
        place.mkdir(parents=True)
        for i in range(4):
            (place / f"{i}.jpg").write_bytes(jpeg(number + i))
    lists(
        tmp_path / "data",
        queries=[{"id": f"q{n}", "text": f"thing {n} rising"} for n in range(1, COUNT + 1)],
        corpus=[{"id": f"c{n}", "video": f"v{n}"} for n in range(1, COUNT + 1)],
        instances=[{"qid": f"q{n}", "pos": [f"c{n}"]} for n in range(1, COUNT + 1)],
    )
    found = probe("order", bench(tmp_path, InOrder()), collection(tmp_path / "data"), 0)
    assert found is not None and (found["pairs"], found["right"], found["ties"]) == (COUNT, 1.0, 0.0)
    found = probe("order", bench(tmp_path, Oracle()), collection(tmp_path / "data"), 0)
    assert found is not None and (found["right"], found["ties"]) == (0.0, 1.0)


def test_attributes_and_composition_and_wording(tmp_path: Path) -> None:
    plain(tmp_path / "data", text=lambda n: f"A red one beside a blue one is thing {n}.")
    found = probe("attributes", bench(tmp_path, Oracle()), collection(tmp_path / "data"), 0)
    assert found is not None and (found["pairs"], found["ties"]) == (COUNT, 1.0)
    assert probe("composition", bench(tmp_path, Oracle()), collection(tmp_path / "data"), 0) is None
    found = probe("wording", bench(tmp_path, Oracle()), collection(tmp_path / "data"), 0)
    assert found is not None and found["as given"] == 1.0 and found["plain"] == 1.0
    plain(tmp_path / "both")
    queries = []
    for number in range(1, COUNT + 1):
        frames(tmp_path / "both" / "videos_frames" / f"q{number}", number + 9)
        queries.append({"id": f"q{number}", "text": f"thing {number}", "video": f"q{number}"})
    lists(tmp_path / "both" / "jsonl", queries=queries)
    found = probe("composition", bench(tmp_path, Oracle()), collection(tmp_path / "both"), 0)
    # The oracle reads the text of a composed query alone, and the pictures show something else.
    assert found == {"text": 1.0, "picture": 0.0, "both": 1.0, "gain": 0.0, "queries": COUNT}


def test_findings_of_a_probe_on_several_datasets_are_weighted_by_their_pairs() -> None:
    found = [
        {"pairs": 30, "right": 0.5, "ties": 0.0, "chance": 0.5, "abstained": 2},
        {"pairs": 10, "right": 0.9, "ties": 0.2, "chance": 0.5, "abstained": 0},
        {"pairs": 0, "right": None, "ties": None, "chance": 0.5, "abstained": 4},
    ]
    assert overall(found) == {"pairs": 40, "right": 0.6, "ties": 0.05, "chance": 0.5, "abstained": 6}
    assert overall([{"queries": 4, "text": 0.25, "gain": -0.5}]) == {"queries": 4, "text": 0.25, "gain": -0.5}
    assert overall([{"pairs": 0, "right": None, "abstained": 1}]) == {"pairs": 0, "abstained": 1}


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("A red circle passes a blue star.", "A blue circle passes a red star."),
        ("It crosses from left to right.", "It crosses from right to left."),
        ("The camera zooms in.", "The camera zooms out."),
        ("Two dogs in the snow.", None),
        ("A cat.", None),
        ("Left of the house", "Right of the house"),
    ],
)
def test_attributes_are_exchanged_so_that_something_else_is_said(text: str, other: str | None) -> None:
    found = exchanged(text, random.Random(0))
    if text.startswith("Two"):
        assert found is not None and found != text and found.endswith("dogs in the snow.")
    else:
        assert found == other


def test_a_lone_colour_becomes_another_one_and_misspelling_keeps_letters() -> None:
    found = exchanged("A green door.", random.Random(1))
    assert found is not None and found != "A green door." and found.endswith(" door.")
    turned = misspelt("several remarkable elephants", random.Random(2), share=1.0)
    assert turned != "several remarkable elephants" and sorted(turned) == sorted("several remarkable elephants")
    assert unpunctuated("A Red, red dog!") == "a red red dog"


def test_a_run_is_a_held_out_set(tmp_path: Path, recipe: Callable[..., Path], evaluated: Typed) -> None:
    made_run(tmp_path / "run")
    told = evaluated(recipe(embedder={"use": "signals"}, runs=[{"folder": "run", "tasks": ["t2v"]}]))
    (found,) = told["benchmarks"]
    assert found["name"] == "run" and set(found["datasets"]) == {"run/t2v/cg"}
    one = found["datasets"]["run/t2v/cg"]
    # Four texts name the colour of their video, and two claim nothing.
    assert one["queries"] == 6 and one["abstained"] == {"queries": 2, "corpus": 0}
    assert 0 < one["score"] <= len(COLORS) / 6
    assert found["averages"]["CG"]["missing"] == [] and found["averages"]["TXT"]["missing"]


def test_what_asks_the_same_is_one_query_with_all_its_targets(tmp_path: Path) -> None:
    from kit.datasets import write_dataset

    from synflow.evaluate.held_out import read_run

    more: Any = {("t2v", n): {"query": "the same" if n < 3 else f"another {n}"} for n in range(5)}
    write_dataset(tmp_path / "run", {"t2v": 5}, more=more)
    with Decoder() as decoder:
        (found,) = read_run(tmp_path / "run", "run", decoder)
    assert sorted(len(one) for one in found.relevant) == [1, 1, 3]
    assert len(found.queries) == 3 and len(found.corpus) == 5


def test_two_models_are_compared_query_by_query(tmp_path: Path, recipe: Callable[..., Path], evaluated: Typed) -> None:
    plain(tmp_path / "data")
    first = recipe("first", datasets=[{"folder": "data"}])
    evaluated(first)
    told = evaluated(recipe("second", datasets=[{"folder": "data"}], compare="out-first"))["comparison"]
    one = told["benchmarks"]["own"]["data"]
    assert told["with"] == "first" and told["left_out"] == {}
    assert one == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "queries": COUNT, "clear": False}
    (tmp_path / "data" / "videos_frames" / "v1" / "frame_0.jpg").write_bytes(jpeg(9))
    told = evaluated(recipe("second", datasets=[{"folder": "data"}], compare="out-first"))["comparison"]
    assert told["left_out"] == {"own/data": "was evaluated on other data there"}
    assert "Against" in (tmp_path / "out-second" / "report.html").read_text()


def test_the_bootstrap_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(8)
    base = (rng.random(400) < 0.5).astype(float)
    better = np.where(rng.random(400) < 0.15, 1.0, base)
    drawn = resampled(better, base, 3000, 1)
    told = difference(float(better.mean() - base.mean()), drawn, 400)
    assert told.clear and told.p < 0.01 and told.low < told.difference < told.high
    # Its spread is that of the mean of the differences.
    assert float(drawn.std()) == pytest.approx(float((better - base).std()) / 20, rel=0.08)
    calm = 0
    for turn in range(60):
        one, other = ((rng.random(120) < 0.5).astype(float) for _ in range(2))
        calm += not difference(0.0, resampled(one, other, 500, turn), 120).clear
    assert calm > 50
    whole = compared(
        {"a": better, "b": better}, {"a": base, "b": np.where(base > 2, base, np.nan)}, {"a": "CG", "b": "S"}, 200, 0
    )
    assert set(whole) == {"a", "CG"}


def test_the_report_is_one_file_that_shows_strange_text_as_text(
    tmp_path: Path, recipe: Callable[..., Path], evaluated: Typed
) -> None:
    plain(tmp_path / "data", text=lambda n: f"<script>alert({n})</script> thing {n + 1}")
    path = recipe(datasets=[{"folder": "data"}], failures=4)
    evaluated(path)
    html = (tmp_path / "out-oracle" / "report.html").read_text()
    assert html.count("<article") == 4 and "&lt;script&gt;alert(" in html
    assert html.count("<script>") == 1 and "http://" not in html.replace("http://www.w3.org", "")
    assert "data:image/jpeg;base64," in html and "n = 16" in html
    again = recipe(datasets=[{"folder": "data"}], failures=4)
    evaluated(again)
    assert (tmp_path / "out-oracle" / "report.html").read_text() == html
    assert json.loads((tmp_path / "out-oracle" / "results.json").read_text())["model"] == "oracle-1"


def test_items_of_an_oracle_are_units() -> None:
    (vector,) = Oracle().embed([Item("thing 3")])
    assert vector.values is not None and float(np.linalg.norm(vector.values)) == pytest.approx(1.0)
