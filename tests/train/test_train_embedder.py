"""The model: vectors that depend on nothing beside them, and adapters that leave the base as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import tiny

torch = pytest.importorskip("torch", reason="the trainer needs torch: make test-train")
pytest.importorskip("peft", reason="the trainer needs peft: make test-train")

from synflow.asks import Item
from synflow.models.contract import open_embedder
from synflow.models.embedder_families import square_of
from synflow.store.reader import open_dataset
from synflow.train.embedder import Embedder, load
from synflow.train.prober import Trained
from synflow.train.samples import Items, Sequencer, Spoilt

CPU = torch.device("cpu")


@pytest.fixture(scope="session", params=["qwen2_5_vl", "qwen3_vl"])
def base(request: pytest.FixtureRequest, tiny_base: Path, tiny_qwen3: Path) -> Path:
    return {"qwen2_5_vl": tiny_base, "qwen3_vl": tiny_qwen3}[request.param]


@pytest.fixture
def embedder(made_run: Path, base: Path) -> Embedder:
    return load(tiny(made_run, made_run.parent / "out"), str(base), CPU)


@pytest.fixture(scope="session")
def items(made_run: Path) -> list[Item]:
    """Three pairs of each task, both sides."""
    dataset = open_dataset(made_run)
    reader = Items(dataset)
    found = []
    for task in dataset.tasks:
        for place in dataset.places([task], 0, 0, 1)[:3].tolist():
            pair = reader.pair(place)
            found += [reader.query(pair), reader.target(pair)]
    return [*found, Item(text="word " * 300, instruction="Find it.")]


def sequencer(base: Path, run: Path, *sets: str) -> Sequencer:
    return Sequencer(str(base), "", tiny(run, run.parent / "out", *sets).input)


def stirred(embedder: Embedder) -> None:
    """Give adapters weights as if they had been trained; they begin as zero."""
    torch.manual_seed(5)
    with torch.no_grad():
        for one in embedder.trained.values():
            one.add_(torch.randn_like(one) * 0.05)


def vectors(embedder: Embedder, maker: Sequencer, items: list[Item], together: int) -> Any:
    found = []
    with torch.no_grad():
        for start in range(0, len(items), together):
            held: dict[str, Any] = {}
            rows = [maker.sequence(item, held) for item in items[start : start + together]]
            found.append(embedder.embed(rows, embedder.see(held)))
    return torch.cat(found)


def test_vectors_do_not_depend_on_the_batch_or_its_filling(
    embedder: Embedder, made_run: Path, base: Path, items: list[Item]
) -> None:
    stirred(embedder)
    maker = sequencer(base, made_run)
    alone = vectors(embedder, maker, items, 1)
    assert torch.allclose(alone.norm(dim=1), torch.ones(len(items)), atol=1e-5)
    for together in (2, 7, len(items)):
        cosines = (vectors(embedder, maker, items, together) * alone).sum(1)
        assert float(cosines.min()) > 0.99999


def test_the_pipeline_s_embedder_gives_the_same_vectors(
    embedder: Embedder, made_run: Path, base: Path, items: list[Item]
) -> None:
    maker = sequencer(base, made_run, "input.frame_tokens=8", "input.image_tokens=8")
    own = vectors(embedder, maker, items, 5)
    square = square_of(embedder.model.config)
    other = open_embedder(
        {"use": "transformers", "model": str(base), "max_pixels": 8 * square, "max_tokens": 256, "device": "cpu"}
    )
    found = other.embed(items)
    for one, vector in zip(own, found, strict=True):
        assert vector.values is not None
        assert float(one @ torch.from_numpy(vector.values)) == pytest.approx(1, abs=1e-5)


def test_merged_adapters_give_the_same_vectors(
    embedder: Embedder, made_run: Path, base: Path, items: list[Item]
) -> None:
    maker = sequencer(base, made_run)
    plain = vectors(embedder, maker, items, 8)
    stirred(embedder)
    before = vectors(embedder, maker, items, 8)
    assert float((before - plain).abs().max()) > 1e-2
    embedder.merge()
    assert float((vectors(embedder, maker, items, 8) - before).abs().max()) < 1e-5


def test_adapters_are_on_the_layers_that_are_asked_for(made_run: Path, base: Path) -> None:
    for sets, layers in (((), 6), (("tune={use: lora, targets: [q, o], dora: true, rank: 2}",), 2)):
        found = load(tiny(made_run, made_run.parent / "out", *sets), str(base), CPU)
        names = list(found.trained)
        kinds = {name.split(".lora_")[0] for name in names}
        blocks = found.model.language_model.config.num_hidden_layers
        assert len(kinds) == blocks * layers and all("language_model.layers" in name for name in kinds)
        assert not any(one.requires_grad for one in found.model.visual.parameters())
    full = load(tiny(made_run, made_run.parent / "out", "tune={use: full}"), str(base), CPU)
    assert {name.split(".")[0] for name in full.trained} == {"language_model"}
    all_ = load(tiny(made_run, made_run.parent / "out", "tune={use: full, vision: true}"), str(base), CPU)
    assert {name.split(".")[0] for name in all_.trained} == {"language_model", "visual"}


def test_there_is_no_lm_head_and_the_last_token_is_the_end_of_text(
    embedder: Embedder, made_run: Path, base: Path
) -> None:
    assert not [name for name, _ in embedder.model.named_parameters() if "lm_head" in name]
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(base)
    row = sequencer(base, made_run).sequence(Item(text="a ball", instruction="Find it."), {})
    told = words.decode(row.ids)
    assert told.startswith("<|im_start|>system\nFind it.<|im_end|>") and told.endswith("assistant\n<|endoftext|>")
    plain = sequencer(base, made_run).sequence(Item(text="a ball"), {})
    assert "You are a helpful assistant." in words.decode(plain.ids)
    assert plain.content == row.content


def test_frames_are_uniform_and_as_large_as_they_may_be(made_run: Path, base: Path, items: list[Item]) -> None:
    film = next(item for item in items if len(item.pictures) > 1)
    held: dict[str, Any] = {}
    row = sequencer(base, made_run, "input.frames=2", "input.frame_tokens=6").sequence(film, held)
    (media,) = held.values()
    assert media.grid[0] == 1 and media.grid[1] * media.grid[2] // 4 <= 6
    assert len(row.media) == 32 and media.patches.dtype == np.uint8


def test_what_cannot_be_decoded_is_spoilt(made_run: Path, base: Path, items: list[Item]) -> None:
    from dataclasses import replace

    maker = sequencer(base, made_run)
    film = next(item for item in items if len(item.pictures) > 1)
    torn = replace(film, pictures=(replace(film.pictures[0], jpeg=b"\xff\xd8", digest="x"), *film.pictures[1:]))
    for item, why in ((torn, "cannot be decoded"), (Item(text=" "), "neither text nor pictures")):
        with pytest.raises(Spoilt, match=why):
            maker.sequence(item, {})


def test_the_model_as_an_embedder_abstains_and_binds(
    embedder: Embedder, made_run: Path, base: Path, items: list[Item]
) -> None:
    own = Trained(embedder, sequencer(base, made_run), 512)
    found = own.embed([items[0], Item(text=""), items[1]])
    assert found[1].values is None and found[0].values is not None and found[2].values is not None
    assert found[2].bound == tuple(picture.digest for picture in items[1].pictures)
    assert own.embed([]) == []
