"""Models with weights are evaluated whole, by all three scorers; `make test-models` has torch for them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_uvrb import COUNT, fake_uvrb

from synflow.asks import Item
from synflow.evaluate.conformance import FILM, shortfalls
from synflow.evaluate.embedders import opened
from synflow.evaluate.late import ByWord, by_word

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))

FAMILIES = ("clip", "siglip", "qwen2_5_vl", "qwen2_vl", "qwen3_vl")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    os.environ["HF_HUB_OFFLINE"] = "1"
    import tiny_models

    folder = tmp_path_factory.mktemp("models")
    made = {}
    for name in FAMILIES:
        (folder / name).mkdir()
        made[name] = tiny_models.MAKERS[name](folder / name)
    return made


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_uvrb(tmp_path_factory.mktemp("uvrb"))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_sound_and_runs_the_whole_benchmark(
    models: dict[str, Path], tree: Path, family: str, recipe: Callable[..., Path]
) -> None:
    from synflow.cli import main

    embedder, identity = opened({"use": "transformers", "model": str(models[family])}, "recipe", tree)
    assert shortfalls(embedder) == []
    assert identity["model"] != str(models[family])
    path = recipe(
        family, embedder={"use": "transformers", "model": str(models[family])}, uvrb={"root": str(tree)},
        precision="bf16", probes=["order", "composition"],
    )  # fmt: skip
    assert main(["evaluate", str(path)]) == 0
    told = json.loads((path.parent / f"out-{family}" / "results.json").read_text())
    (found,) = told["benchmarks"]
    assert len(found["datasets"]) == 16 and not found["skipped"]
    assert all(one["abstained"] == {"queries": 0, "corpus": 0} for one in found["datasets"].values())
    # Pictures of one colour are nearly alike to random weights, and at half precision quite: all are ranked at least.
    assert found["datasets"]["LoVR-C2V"]["metrics"]["R@10"] == 1.0
    order = told["probes"]["order"]["UVRB/MSRVTT"]
    assert order["pairs"] == COUNT
    # A mean of frames has no order.
    assert order["ties"] == 1.0 or family not in ("clip", "siglip")


@pytest.mark.parametrize("scorer", ["maxsim", "stochastic"])
@pytest.mark.parametrize("family", ["clip", "siglip", "qwen2_5_vl"])
def test_other_scorers_run_the_whole_benchmark(
    models: dict[str, Path], tree: Path, family: str, scorer: str, recipe: Callable[..., Path]
) -> None:
    from synflow.cli import main

    path = recipe(
        f"{family}-{scorer}", embedder={"use": "transformers", "model": str(models[family])},
        uvrb={"root": str(tree), "datasets": ["MSRVTT", "MS-TV", "LoVR-C2V"]}, scorer={"use": scorer},
    )  # fmt: skip
    assert main(["evaluate", str(path)]) == 0
    told = json.loads((path.parent / f"out-{family}-{scorer}" / "results.json").read_text())
    (found,) = told["benchmarks"]
    assert found["datasets"]["LoVR-C2V"]["metrics"]["R@10" if scorer == "stochastic" else "R@1"] == 1.0
    assert set(found["datasets"]) == {"MSRVTT", "MS-TV", "LoVR-C2V"}


def test_words_of_clip_are_the_states_that_its_own_vector_is_made_of(models: dict[str, Path]) -> None:
    embedder, _ = opened({"use": "transformers", "model": str(models["clip"])}, "recipe", Path())
    late = by_word(embedder, "maxsim")
    assert isinstance(late, ByWord) and by_word(embedder, "cosine") is embedder
    items = [Item("a red ball rolls"), Item(None, FILM), Item("a ball", FILM[:1]), Item("")]
    text, film, both, nothing = late.parts(items)
    whole, shown = (vector.values for vector in embedder.embed(items[:2]))
    assert whole is not None and shown is not None
    # The last word is the end of the text, whose state is the text's vector.
    assert text[-1] == pytest.approx(whole, abs=1e-5) and len(text) > 2
    mean = film.mean(axis=0)
    assert mean / np.linalg.norm(mean) == pytest.approx(shown, abs=1e-5) and len(film) == len(FILM)
    assert len(both) > 2 and len(nothing) == 0
    assert all(np.linalg.norm(one, axis=1) == pytest.approx(1.0, abs=1e-5) for one in (text, film, both))
    assert shortfalls(late) == []


def test_a_model_that_was_trained_further_is_another_one(models: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    own = Path(shutil.copytree(models["clip"], tmp_path / "model"))
    spec: dict[str, Any] = {"use": "transformers", "model": "model"}
    before = opened(spec, "recipe", tmp_path)[1]
    assert opened(spec, "recipe", tmp_path)[1] == before
    weights = next(own.glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert opened(spec, "recipe", tmp_path)[1] != before
