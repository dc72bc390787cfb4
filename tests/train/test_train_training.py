"""A whole training: exactly the same when it is interrupted, shared by processes, cached, or cut into chunks."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import TINY, sides, tiny, vectors, write_pictures

torch = pytest.importorskip("torch", reason="the trainer needs torch: make test-train")
pytest.importorskip("peft", reason="the trainer needs peft: make test-train")

from safetensors.torch import load_file

from synflow.errors import Damage, Incomplete, Interrupted, Refused, ServiceDown, UsageError
from synflow.ids import digest
from synflow.store.reader import open_dataset
from synflow.train import session, step
from synflow.train import training as story
from synflow.train.recipe import Recipe
from synflow.train.training import train


def recipe(run: Path, base: Path, out: Path, *sets: str) -> Recipe:
    return tiny(run, out, f"model.base={base}", *sets)


def weights(out: Path) -> dict[str, Any]:
    return load_file(out / "adapter/adapter_model.safetensors")


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def assert_alike(one: dict[str, Any], other: dict[str, Any], within: float) -> None:
    assert one.keys() == other.keys()
    assert max(float((one[name] - other[name]).abs().max()) for name in one) <= within


@pytest.fixture(scope="module")
def undisturbed(made_run: Path, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of six steps with held-out videos, nothing in its way."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    train(recipe(made_run, tiny_base, out, "data.holdout=10", "outputs.merged=true", "checkpoints.every=2"))
    return out


def test_what_is_left_is_whole_and_tells_what_it_is(undisturbed: Path, made_run: Path) -> None:
    names = {path.name for path in undisturbed.iterdir()}
    assert {"adapter", "model", "README.md", "result.json", "curriculum.svg", "curriculum.json", "log.jsonl"} <= names
    card = (undisturbed / "README.md").read_text()
    assert open_dataset(made_run).facts["index"]["pairs.parquet"]["sha256"] in card
    assert "LoRA r 16" in card and "Held-out pairs" in card and "sigma 1.00" in card
    lines = [json.loads(line) for line in (undisturbed / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(6))
    assert all(0 <= line["padding"] < 0.1 and line["tokens_per_s"] > 0 and line["mfu"] is None for line in lines)
    plans = json.loads((undisturbed / "curriculum.json").read_text())
    assert [plan["sigma"] for plan in plans] == [0.1, 1.0]
    assert not list((undisturbed / "staging").iterdir())
    assert len(list((undisturbed / "checkpoints").iterdir())) == 2


def test_the_base_is_untouched_and_the_adapter_is_as_peft_publishes_it(undisturbed: Path, tiny_base: Path) -> None:
    base, merged = load_file(tiny_base / "model.safetensors"), load_file(undisturbed / "model/model.safetensors")
    assert base.keys() == merged.keys()
    changed = {name for name in base if not torch.equal(base[name], merged[name])}
    wanted = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj")
    assert changed == {n for n in base if ".layers." in n and n.endswith("weight") and any(w in n for w in wanted)}
    config = json.loads((undisturbed / "adapter/adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (16, 32, "LORA")
    assert all(".lora_" in name for name in weights(undisturbed))


def test_the_pipeline_embeds_with_the_adapter_and_with_the_merged_model(undisturbed: Path, made_run: Path) -> None:
    items = sides(made_run)
    found = [vectors(undisturbed / name, items, 4 * 784) for name in ("adapter", "model")]
    base = json.loads((undisturbed / "adapter/adapter_config.json").read_text())["base_model_name_or_path"]
    plain = vectors(base, items, 4 * 784)
    assert np.abs(found[0] - found[1]).max() < 1e-5
    assert np.abs(found[0] - plain).max() > 1e-3


@pytest.mark.parametrize("stop", random.Random(1).sample(range(1, 6), 3))
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not(
    undisturbed: Path, made_run: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    stopping(monkeypatch, stop)
    sets = ("data.holdout=10", "outputs.merged=true", f"checkpoints.every={1 + stop % 2}")
    chosen = recipe(made_run, tiny_base, tmp_path / "out", *sets)
    with pytest.raises(Interrupted) as caught:
        train(chosen)
    assert f"after step {stop}" in caught.value.cause
    monkeypatch.undo()
    if (tmp_path / "out/checkpoints").exists():
        with pytest.raises(Refused, match="not finished"):
            train(chosen)
    train(chosen, resume=True)
    assert_alike(weights(tmp_path / "out"), weights(undisturbed), 1e-6)
    assert losses(tmp_path / "out") == pytest.approx(losses(undisturbed), abs=1e-6)
    for name in ("curriculum.json", "curriculum.svg"):
        assert (tmp_path / "out" / name).read_bytes() == (undisturbed / name).read_bytes()
    assert train(chosen)["steps"] == 6


def stopping(monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    """Let the user press Ctrl-C in the middle of a step."""

    def interrupted(training: Any, share: Any, plan: Any) -> None:
        if training.state.step == stop:
            raise KeyboardInterrupt
        step.take_step(training, share, plan)

    monkeypatch.setattr(story, "take_step", interrupted)


def test_chunks_caching_workers_and_a_kept_vision_change_nothing(
    made_run: Path, tiny_base: Path, tmp_path: Path
) -> None:
    """Without dropout, which is drawn for each chunk."""
    plain = ("tune={use: lora, dropout: 0}", "epochs=1", "curriculum={use: plain}", "steps=4")
    ways = {
        "whole": ("batch.chunk_tokens=100000", "batch.padding=0.9"),
        "chunks": (),
        "caching": ("batch.gradient_caching=true", "model.checkpointing=true"),
        "workers": ("data.workers=2", f"data.cache={tmp_path / 'seen'}"),
        # What the tower sees does not depend on how long a text may be; here none is cut.
        "seen": (f"data.cache={tmp_path / 'seen'}", "input.max_tokens=250"),
    }
    for name, sets in ways.items():
        train(recipe(made_run, tiny_base, tmp_path / name, *plain, *sets))
        assert_alike(weights(tmp_path / name), weights(tmp_path / "whole"), 2e-5)
        assert losses(tmp_path / name) == pytest.approx(losses(tmp_path / "whole"), abs=2e-5)
    told = [json.loads(line) for line in (tmp_path / "seen/log.jsonl").read_text().splitlines()]
    assert all(line["patches"] == 0 for line in told), "what was seen before is not seen again"


def test_dropout_is_the_same_in_both_passes_of_gradient_caching(
    made_run: Path, tiny_base: Path, tmp_path: Path
) -> None:
    for name, caching in (("one", "false"), ("two", "true")):
        train(recipe(made_run, tiny_base, tmp_path / name, "epochs=1", f"batch.gradient_caching={caching}"))
    assert_alike(weights(tmp_path / "one"), weights(tmp_path / "two"), 2e-5)


def test_two_processes_train_what_one_does(made_run: Path, tiny_base: Path, tmp_path: Path) -> None:
    sets = ["tune={use: lora, dropout: 0}", "curriculum={use: plain}", f"model.base={tiny_base}", "batch.tasks={}",
            "data.tasks=[t2v, t2t, v2v]", "negatives={remine: true, texts: true}"]  # fmt: skip
    runs = [shutil.copytree(made_run, tmp_path / f"run-{n}" / "run") for n in (1, 2)]
    train(tiny(runs[0], tmp_path / "one", *sets))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    path = tmp_path / "tried.yaml"
    path.write_text(TINY.format(run=runs[1], out=tmp_path / "two"))
    command = [sys.executable, "-m", "synflow", "train", str(path), *(word for one in sets for word in ("--set", one))]
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(command, env={**env, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    told = [one.communicate(timeout=240)[1].decode() for one in started]
    assert [one.returncode for one in started] == [0, 0], told
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    apart = torch.cat([(one[name] - two[name]).abs().flatten() for name in one])
    # Adam makes a step of whatever sign the rounding of a gradient of nearly nothing has: a few weights may show it.
    assert float((apart > 1e-5).float().mean()) < 1e-3 and float(apart.max()) <= 1e-4
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)


@pytest.mark.parametrize("tune", ["{use: lora}", "{use: full, vision: true}"])
def test_half_precision_trains_as_full_precision_does(
    made_run: Path, tiny_base: Path, tmp_path: Path, tune: str
) -> None:
    sets = (f"tune={tune}", "epochs=1", "curriculum={use: plain}", "tensorboard=true", "loss.margin=null")
    for dtype in ("float32", "bfloat16"):
        train(recipe(made_run, tiny_base, tmp_path / dtype, *sets, f"model.dtype={dtype}"))
    assert losses(tmp_path / "bfloat16") == pytest.approx(losses(tmp_path / "float32"), rel=0.15)
    assert list((tmp_path / "bfloat16/tensorboard").glob("events*"))


def test_full_training_leaves_a_model(made_run: Path, tiny_base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = train(recipe(made_run, tiny_base, out, "tune={use: full, vision: true}", "epochs=1", "loss.matryoshka=[32]"))
    assert "adapter" not in done and Path(done["model"]).is_dir()
    base, left = load_file(tiny_base / "model.safetensors"), load_file(out / "model/model.safetensors")
    assert not torch.equal(base["visual.patch_embed.proj.weight"], left["visual.patch_embed.proj.weight"])
    assert torch.equal(base["lm_head.weight"], left["lm_head.weight"])


def test_a_spoilt_sample_is_left_out_counted_and_named(tiny_base: Path, tmp_path: Path) -> None:
    run = write_pictures(tmp_path / "run", {"t2v": 12})
    dataset = open_dataset(run)
    (shard,) = run.glob("shards/t2v/*.tar")
    data = bytearray(shard.read_bytes())
    at = data.index(b"\xff\xd8\xff", int(dataset._offsets[3]))
    data[at : at + 64] = bytes(64)
    shard.unlink()
    shard.write_bytes(bytes(data))
    out = tmp_path / "out"
    done = train(recipe(run, tiny_base, out, "epochs=1", "steps=2", "tune={use: lora, dropout: 0}"))
    assert done["spoilt"] == 1
    assert dataset.id_of(3) in (out / "README.md").read_text()
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert sum(line["spoilt"] for line in lines) == 1 and all(line["pairs"] == 6 for line in lines)


def test_a_batch_of_which_nothing_can_be_read_ends_it(tiny_base: Path, tmp_path: Path) -> None:
    run = write_pictures(tmp_path / "run", {"t2v": 6})
    (shard,) = run.glob("shards/t2v/*.tar")
    data = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(data.replace(b"\xff\xd8\xff", b"\x00\x00\x00"))
    with pytest.raises(Incomplete, match="no pair of the batch of t2v can be read"):
        train(recipe(run, tiny_base, tmp_path / "out"))


def test_what_is_no_number_ends_it_with_the_batch_named(
    made_run: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Any:
        work = real(*given)
        if given[1].step == 2:
            work.loss.value = work.loss.value * float("nan")
        return work

    real = step.backward
    monkeypatch.setattr(step, "backward", broken)
    with pytest.raises(Incomplete, match="step 3: the loss of a batch of") as caught:
        train(recipe(made_run, tiny_base, tmp_path / "out", "checkpoints.every=1"))
    told = json.loads((tmp_path / "out/broken-step-3.json").read_text())
    assert told["pairs"][0] in caught.value.cause and len(told["pairs"]) >= 4
    assert sorted(path.name for path in (tmp_path / "out/checkpoints").iterdir())[-1] == "step-000000002"


def test_too_little_memory_says_which_knob_to_turn(
    made_run: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step, "backward", full)
    with pytest.raises(ServiceDown) as caught:
        train(recipe(made_run, tiny_base, tmp_path / "out"))
    assert "gradient_caching to true" in caught.value.remedy and "chunk_tokens below 512" in caught.value.remedy


def test_no_half_checkpoint_is_ever_loaded(
    undisturbed: Path, made_run: Path, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    shutil.rmtree(out / "adapter")
    (out / "result.json").unlink()
    newest = out / "checkpoints/step-000000006/weights.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    (out / "checkpoints/step-000000009").mkdir()
    chosen = recipe(made_run, tiny_base, out, "data.holdout=10", "outputs.merged=true", "checkpoints.every=2")
    train(chosen, resume=True)
    assert_alike(weights(out), weights(undisturbed), 1e-6)
    assert "passed over a checkpoint that is damaged" in capsys.readouterr().err
    (out / "result.json").unlink()
    for path in (out / "checkpoints").glob("*/weights.safetensors"):
        path.write_bytes(b"torn")
    with pytest.raises(Damage, match="no checkpoint in"):
        train(chosen, resume=True)


def test_a_checkpoint_that_is_being_written_is_no_checkpoint(
    made_run: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any file of it: its folder gets its name last of all."""
    from synflow.train import checkpoint

    def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "publish_folder", killed)
    with pytest.raises(Interrupted):
        train(recipe(made_run, tiny_base, tmp_path / "out", "checkpoints.every=1"))
    assert not list((tmp_path / "out/checkpoints").iterdir())


def test_another_recipe_or_another_run_is_refused(undisturbed: Path, made_run: Path, tiny_base: Path) -> None:
    sets = ("data.holdout=10", "outputs.merged=true")
    with pytest.raises(Refused, match=r"optimizer.lr: 0.001, now 0.1"):
        train(recipe(made_run, tiny_base, undisturbed, *sets, "optimizer.lr=0.1"))
    with pytest.raises(UsageError, match="no training to go on with"):
        train(recipe(made_run, tiny_base, undisturbed.parent / "fresh", *sets), resume=True)


def test_what_the_recipe_names_must_be_there(made_run: Path, tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert/config.json").write_text('{"model_type": "bert"}')
    for base, told in ((tmp_path / "none", "cannot be loaded"), (tmp_path / "bert", "'bert'")):
        with pytest.raises(UsageError, match=told) as caught:
            train(recipe(made_run, base, tmp_path / base.name / "out"))
        assert "\n" not in caught.value.cause
    with pytest.raises(UsageError, match=r"model\.device"):
        train(recipe(made_run, tmp_path, tmp_path / "out", "model.device=cuda:77"))


def test_the_prober_mines_anew_each_epoch_and_held_out_videos_stay_out(tiny_base: Path, tmp_path: Path) -> None:
    run = write_pictures(tmp_path / "run", {"t2v": 30, "t2t": 8})
    before = {path: digest(path.read_bytes()) for path in run.rglob("*.tar")}
    chosen = recipe(run, tiny_base, tmp_path / "out", "negatives={remine: true}", "data.holdout=8", "data.tasks=[t2v]")
    train(chosen)
    assert {path: digest(path.read_bytes()) for path in run.rglob("*.tar")} == before
    from synflow.store.layout import RunLayout
    from synflow.store.negatives import versions
    from synflow.train.hard import open_hard
    from synflow.train.pool import open_pool

    made = versions(RunLayout(run))
    assert len(made) == 2
    pool = open_pool(chosen)
    for version in made:
        hard = open_hard(pool, chosen.negatives, version)
        used = {other for others in hard.places.values() for other in others}
        assert used and hard.number("t2v") == 1 and hard.number("t2t") == 0
        assert not used & set(pool.held["t2v"].tolist())


def test_the_rate_warms_up_and_falls_as_its_schedule_says() -> None:
    from synflow.train.recipe import OptimizerSpec

    cosine = [step.rate_of(OptimizerSpec(lr=1.0, warmup=0.1), n, 100) for n in range(100)]
    assert cosine[0] == pytest.approx(0.1) and cosine[9] == cosine[10] == 1.0
    assert cosine[55] == pytest.approx(0.5) and cosine[99] < 0.001 and cosine[10:] == sorted(cosine[10:], reverse=True)
    assert step.rate_of(OptimizerSpec(lr=1.0, warmup=0, schedule="linear"), 25, 100) == 0.75
    assert step.rate_of(OptimizerSpec(lr=1.0, warmup=0, schedule="constant"), 99, 100) == 1.0


def test_processes_are_found_by_what_torchrun_sets(monkeypatch: pytest.MonkeyPatch, made_run: Path) -> None:
    from synflow.train.ranks import Ranks

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Ranks.joined("cpu") == Ranks(0, 1)
    assert session.device_of(tiny(made_run, made_run.parent / "o")).type == "cpu"
