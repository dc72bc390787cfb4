"""Recipes: the paper's values where nothing is said, and one line for each thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import tiny

from synflow.errors import UsageError
from synflow.train.recipe import Full, Lora, Pyramid, load_recipe, parse_recipe

ROOT = Path(__file__).resolve().parents[2]
LEAST = "version: 1\nname: r\ndata: {run: run}\n"


def test_what_is_left_out_is_as_in_the_paper() -> None:
    recipe = parse_recipe(LEAST, "r.yaml", Path("/x"))
    assert recipe.tune == Lora(rank=16, alpha=32, dropout=0.1, targets=("q", "k", "v", "up", "down", "gate"))
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay, recipe.optimizer.schedule) == (3e-5, 0.1, "cosine")
    assert (recipe.loss.temperature, recipe.loss.margin) == (0.03, 0.1)
    assert (recipe.input.frames, recipe.input.frame_tokens, recipe.input.image_tokens) == (8, 200, 256)
    assert (recipe.batch.of("t2v"), recipe.batch.of("t2i")) == (32 * 64, 32 * 32)
    assert (recipe.epochs, recipe.seed, recipe.model.dtype, recipe.model.checkpointing) == (3, 42, "bfloat16", True)
    assert recipe.curriculum == Pyramid(sigma=(0.1, 1.0), pairs=1000, relative=False)
    assert (recipe.run, recipe.out) == ("/x/run", Path("/x/runs/r"))


@pytest.mark.parametrize("name", ["tiny", "gve-3b", "gve-7b"])
def test_the_recipes_that_ship_load(name: str) -> None:
    recipe = load_recipe(ROOT / f"manifests/train/{name}.yaml")
    assert recipe.name == name
    assert isinstance(recipe.tune, Full if name == "tiny" else Lora)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("epochs: 0", "r.yaml:4: epochs: must be between 1 and 1000, got 0"),
        ("epoch: 1", "r.yaml:4: epoch: unknown key; did you mean `epochs`?"),
        ("loss: {temperatur: 1}", "r.yaml:4: loss.temperatur: unknown key; did you mean `temperature`?"),
        ("loss: {temperature: 0}", "r.yaml:4: loss.temperature: must be between 0 and 1"),
        ("curriculum: {use: pyramide}", "r.yaml:4: curriculum.use: must be one of pyramid, plain, order"),
        ("tune: {use: lora, targets: [lm_head]}", "r.yaml:4: tune.targets[0]: must be one of"),
        ("batch: {size: many}", "r.yaml:4: batch.size: must be a whole number, got 'many'"),
        ("negatives: {tasks: {x2v: 1}}", "r.yaml:4: negatives.tasks.x2v"),
        ("name: s", "r.yaml:4: the key `name` stands twice"),
        ("model: &a {base: tiny}", "an anchor (&a) is not allowed"),
        ("tune: {use: full, vision: true}\ndata2: 1", "r.yaml:5: data2: unknown key"),
        ("executor: {use: rai}", "r.yaml:4: executor.use: must be one of processes, ray"),
        ("executor: {use: ray, worker: 2}", "r.yaml:4: executor.worker: unknown key; did you mean `workers`?"),
        ("executor: {use: processes, workers: 2}", "r.yaml:4: executor.workers: unknown key"),
        ("executor: {use: ray, workers: 0}", "r.yaml:4: executor.workers: must be between 1 and 4096, got 0"),
        ("prober: {use: transformers}", "r.yaml:4: prober.model: is required"),
    ],
)
def test_what_is_wrong_is_one_line(more: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_recipe(f"{LEAST}{more}\n", "r.yaml", Path("/x"))
    assert told in caught.value.cause
    assert len(caught.value.cause.splitlines()) == 1 and caught.value.remedy


def test_parts_that_do_not_go_together_are_refused() -> None:
    text = LEAST.replace("run: run", "run: run, cache: seen")
    with pytest.raises(UsageError, match="frozen vision tower"):
        parse_recipe(f"{text}tune: {{use: full, vision: true}}\n", "r.yaml", Path("/x"))
    with pytest.raises(UsageError, match="t2v twice"):
        parse_recipe(LEAST.replace("run: run", "run: run, tasks: [t2v, t2v]"), "r.yaml", Path("/x"))


def test_a_missing_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such recipe"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(UsageError, match="is empty"):
        load_recipe(tmp_path / "empty.yaml")


def test_sets_override_and_name_what_is_wrong(tmp_path: Path) -> None:
    assert tiny(tmp_path, tmp_path / "out", "batch.size=12").batch.size == 12
    with pytest.raises(UsageError, match=r"--set batch\.siz"):
        tiny(tmp_path, tmp_path / "out", "batch.siz=12")


def test_the_identity_holds_what_is_learned_and_not_where(tmp_path: Path) -> None:
    one = tiny(tmp_path, tmp_path / "out")
    elsewhere = tiny(tmp_path / "b", tmp_path / "c", "data.workers=3", "batch.chunk_tokens=99", "model.device=cuda",
                     "executor={use: ray, workers: 4}")  # fmt: skip
    assert one.identity() == elsewhere.identity()
    for change in ("seed=1", "optimizer.lr=1e-4", "curriculum={use: plain}", "data.holdout=1", "input.frames=2"):
        assert tiny(tmp_path, tmp_path / "out", change).identity() != one.identity(), change
