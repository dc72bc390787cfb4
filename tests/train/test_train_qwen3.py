"""Qwen3-VL behind the same class: laid out and embedded as transformers does it, trained as exactly as Qwen2.5-VL."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made import sides, tiny, vectors

torch = pytest.importorskip("torch", reason="the trainer needs torch: make test-train")
pytest.importorskip("peft", reason="the trainer needs peft: make test-train")

from safetensors.torch import load_file

from synflow.asks import Item
from synflow.errors import Interrupted, UsageError
from synflow.store.reader import open_dataset
from synflow.train import step
from synflow.train import training as story
from synflow.train.embedder import load
from synflow.train.product import TIMED_TEMPLATE
from synflow.train.recipe import Recipe
from synflow.train.samples import Items, Sequencer
from synflow.train.sizes import KNOWN, dimensions_of
from synflow.train.training import train

CPU = torch.device("cpu")
SETS = ("data.holdout=10", "outputs.merged=true", "checkpoints.every=2")


def recipe(run: Path, base: Path, out: Path, *sets: str) -> Recipe:
    return tiny(run, out, f"model.base={base}", *sets)


def weights(out: Path) -> dict[str, Any]:
    return dict(load_file(out / "adapter/adapter_model.safetensors"))


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def film(made_run: Path) -> Item:
    """A video of five pictures, three quarters of a second apart: the last step of time is not full."""
    dataset = open_dataset(made_run)
    reader = Items(dataset)
    found = [reader.target(reader.pair(place)) for place in dataset.places(["v2v"], 0, 0, 1)[:2].tolist()]
    pictures = [*found[0].pictures, *found[1].pictures][:5]
    return Item("a ball", tuple(replace(one, time=2.0 + 0.75 * place) for place, one in enumerate(pictures)))


@pytest.fixture(scope="module")
def undisturbed(made_run: Path, tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    train(recipe(made_run, tiny_qwen3, out, *SETS))
    return out


@pytest.mark.parametrize("frames", [2, 5])
def test_a_video_is_laid_out_and_embedded_as_transformers_does_it(
    made_run: Path, tiny_qwen3: Path, film: Item, frames: int
) -> None:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    shown = film.pictures[:frames]
    sets = tiny(made_run, made_run.parent / "out", "input.frames=8", "input.frame_tokens=6")
    held: dict[str, Any] = {}
    row = Sequencer(str(tiny_qwen3), "", sets.input).sequence(Item(film.text, shown), held)
    (media,) = held.values()
    # Its own processor, but for torchvision, which it needs to scale pictures: they are scaled here beforehand.
    words = AutoTokenizer.from_pretrained(tiny_qwen3)
    own = Qwen3VLProcessor.__new__(Qwen3VLProcessor)
    own.tokenizer, own.video_token = words, "<|video_pad|>"
    own.vision_start_token, own.vision_end_token = "<|vision_start|>", "<|vision_end|>"
    own.video_processor = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    told = SimpleNamespace(fps=1 / 0.75, frames_indices=list(range(frames)))
    grids = torch.tensor([media.grid])
    video = own.replace_video_token({"video_grid_thw": grids, "video_metadata": [told]}, 0)
    message = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": film.text}]}
    text = words.apply_chat_template([message], chat_template=TIMED_TEMPLATE, tokenize=False)
    ids = words(text.replace("<|video_pad|>", video), return_tensors="pt")["input_ids"]
    assert ids[0].tolist() == row.ids.tolist()
    assert text.count("<|video_pad|>") == 1 and video.count("seconds>") == media.grid[0] == -(-frames // 2)
    images = AutoImageProcessor.from_pretrained(tiny_qwen3, backend="pil")
    high, wide = media.grid[1] * 16, media.grid[2] * 16
    pictures = [_scaled(images, one.jpeg, 6) for one in shown]
    assert all(one.shape == (3, high, wide) for one in pictures)
    patches, *grid = Qwen3VLVideoProcessor.patchify(None, torch.stack(pictures)[None], 16, 2, 2)
    assert tuple(grid) == media.grid
    assert (patches[0].numpy() == media.patches).all()
    model = AutoModel.from_pretrained(tiny_qwen3).eval()
    kinds = (ids == model.config.video_token_id).int() * 2
    places, _ = model.get_rope_index(ids, kinds, video_grid_thw=grids)
    assert places[:, 0].tolist() == row.positions.tolist()
    with torch.no_grad():
        states = model(
            input_ids=ids, mm_token_type_ids=kinds, pixel_values_videos=(patches[0].float() / 255 - 0.5) / 0.5,
            video_grid_thw=grids,
        ).last_hidden_state  # fmt: skip
        embedder = load(sets, str(tiny_qwen3), CPU)
        found = embedder.embed([row], embedder.see(held))
    assert torch.nn.functional.normalize(states[0, -1], dim=-1).tolist() == pytest.approx(found[0].tolist(), abs=1e-5)


def _scaled(images: Any, jpeg: bytes, tokens: int) -> Any:
    """Return a picture as the image processor scales it, ``[3, height, width]``, put together from its patches."""
    import cv2

    rgb = np.ascontiguousarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
    size = {"shortest_edge": 4 * 1024, "longest_edge": tokens * 1024}
    told = images(rgb, size=size, do_rescale=False, do_normalize=False, return_tensors="np")
    _, high, wide = (int(one) for one in told["image_grid_thw"][0])
    parts = told["pixel_values"].reshape(high // 2, wide // 2, 2, 2, 3, 2, 16, 16)[..., 0, :, :]
    return torch.from_numpy(parts.transpose(4, 0, 2, 5, 1, 3, 6).reshape(3, high * 16, wide * 16))


def test_times_are_told_and_change_the_vector(made_run: Path, tiny_qwen3: Path, film: Item) -> None:
    from transformers import AutoTokenizer

    sets = tiny(made_run, made_run.parent / "out", "input.frames=8")
    maker, embedder = Sequencer(str(tiny_qwen3), "", sets.input), load(sets, str(tiny_qwen3), CPU)
    words = AutoTokenizer.from_pretrained(tiny_qwen3)
    held: dict[str, Any] = {}
    later = Item(film.text, tuple(replace(one, time=one.time + 9) for one in film.pictures))
    slower = Item(film.text, tuple(replace(one, time=4 * one.time) for one in film.pictures))
    rows = [maker.sequence(item, held) for item in (film, later, slower)]
    said = [words.decode(row.ids) for row in rows]
    assert all(time in said[0] for time in ("<0.4 seconds>", "<1.9 seconds>", "<3.0 seconds>"))
    assert said[1] == said[0] and "<12.0 seconds>" in said[2]
    assert len(held) == 1
    with torch.no_grad():
        vectors = embedder.embed(rows, embedder.see(held))
    assert float(vectors[0] @ vectors[1]) == pytest.approx(1, abs=1e-6)
    assert float(vectors[0] @ vectors[2]) < 0.9999


def test_every_layer_of_the_tower_that_is_fed_counts(made_run: Path, tiny_qwen3: Path, film: Item) -> None:
    sets = tiny(made_run, made_run.parent / "out")
    embedder = load(sets, str(tiny_qwen3), CPU)
    held: dict[str, Any] = {}
    row = Sequencer(str(tiny_qwen3), "", sets.input).sequence(film, held)
    with torch.no_grad():
        seen = embedder.see(held)
        (values,) = seen.values()
        assert values.shape[1] == 3 * embedder.dimensions
        plain = embedder.embed([row], seen)
        for part in range(3):
            without = values.clone()
            without[:, part * embedder.dimensions : (part + 1) * embedder.dimensions] = 0
            assert float((embedder.embed([row], {row.media: without}) * plain).sum()) < 0.9999


@pytest.mark.parametrize("stop", [1, 4])
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not(
    undisturbed: Path, made_run: Path, tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    def interrupted(training: Any, share: Any, plan: Any) -> None:
        if training.state.step == stop:
            raise KeyboardInterrupt
        step.take_step(training, share, plan)

    monkeypatch.setattr(story, "take_step", interrupted)
    chosen = recipe(made_run, tiny_qwen3, tmp_path / "out", *SETS[:2], "checkpoints.every=1")
    with pytest.raises(Interrupted):
        train(chosen)
    monkeypatch.undo()
    train(chosen, resume=True)
    assert apart(weights(tmp_path / "out"), weights(undisturbed)) <= 1e-6
    assert losses(tmp_path / "out") == pytest.approx(losses(undisturbed), abs=1e-6)


def test_what_the_tower_saw_is_kept_with_what_it_fed(
    undisturbed: Path, made_run: Path, tiny_qwen3: Path, tmp_path: Path
) -> None:
    for turn in ("first", "again"):
        out = tmp_path / turn
        train(recipe(made_run, tiny_qwen3, out, *SETS, f"data.cache={tmp_path / 'seen'}"))
        assert apart(weights(out), weights(undisturbed)) <= 1e-5
    lines = (tmp_path / "again/log.jsonl").read_text().splitlines()
    assert {json.loads(line)["patches"] for line in lines} == {0}


def test_adapter_and_merged_model_embed_alike_in_the_pipeline(undisturbed: Path, made_run: Path) -> None:
    items = sides(made_run)
    found = [vectors(undisturbed / name, items, 4 * 1024) for name in ("adapter", "model")]
    assert np.abs(found[0] - found[1]).max() < 1e-5
    assert (undisturbed / "model/chat_template.jinja").read_text() == TIMED_TEMPLATE
    assert "max_pixels: 4096" in (undisturbed / "README.md").read_text()


def test_all_weights_can_be_trained_with_the_tower_and_in_chunks(made_run: Path, tmp_path: Path) -> None:
    found = []
    for caching in ("false", "true"):
        out = tmp_path / caching
        sets = (
            "tune={use: full, vision: true}",
            "steps=3",
            "epochs=1",
            "data.tasks=[t2v]",
            f"batch.gradient_caching={caching}",
        )
        train(tiny(made_run, out, "model.base=tiny-qwen3", *sets, "batch.chunk_tokens=128"))
        found.append(load_file(out / "model/model.safetensors"))
    # Adam makes a step of whatever sign the rounding of a gradient of nearly nothing has: a few weights may show it.
    differing = torch.cat([(found[0][name] - found[1][name]).abs().flatten() for name in found[0]]) > 1e-5
    assert float(differing.float().mean()) < 5e-3
    assert losses(tmp_path / "true") == pytest.approx(losses(tmp_path / "false"), abs=1e-4)
    base = load_file(tmp_path / "true/base/model.safetensors")
    changed = {name for name in base if not torch.equal(base[name], found[0][name])}
    assert any("deepstack_merger_list.1" in name for name in changed) and any("pos_embed" in name for name in changed)
    assert not any("lm_head" in name for name in changed)


def test_its_size_is_known_before_it_is_made(tiny_qwen3: Path) -> None:
    from transformers import AutoModel

    size, model = dimensions_of(str(tiny_qwen3)), AutoModel.from_pretrained(tiny_qwen3)
    assert size is not None and size == replace(KNOWN["tiny-qwen3"], vocabulary=size.vocabulary)
    assert size.parameters == pytest.approx(sum(one.numel() for one in model.parameters()), rel=0.15)
    blocks = sum(one.numel() for name, one in model.named_parameters() if "_proj" in name and "language" in name)
    assert size.blocks == blocks


def test_a_mixture_of_experts_is_refused(made_run: Path, tiny_qwen3: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_vl_moe"}))
    with pytest.raises(UsageError, match="'qwen3_vl_moe', which cannot be trained here"):
        load(recipe(made_run, tmp_path, tmp_path / "out"), str(tmp_path), CPU)
