"""A model that the trainer left, behind vLLM's pooling server: it gives the vectors that were trained."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from synflow.asks import Embedder, Item, Picture
from synflow.ids import digest
from synflow.models.contract import open_embedder
from synflow.models.vllm_server import Place, Servers
from synflow.train.recipe import Recipe, parse_recipe

pytestmark = pytest.mark.vllm
TOKENS = 16
RECIPE = """
version: 1
name: served
data: {{run: nowhere}}
output: {out}
model: {{base: {base}, dtype: float32, checkpointing: false, device: cpu}}
input: {{frames: 8, frame_tokens: {tokens}, image_tokens: {tokens}}}
tune: {{use: full}}
"""
SERVER = (
    "--runner", "pooling", "--dtype", "float32", "--enforce-eager", "--max-model-len", "4096", "--max-num-seqs", "8",
    "--block-size", "32", "--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192",
    "--mm-processor-cache-gb", "1", "--trust-request-mm-kwargs", "--mm-processor-kwargs",
    f'{{"min_pixels": 3136, "max_pixels": {TOKENS * 784}}}',
)  # fmt: skip


def picture(seed: int, time: float, size: tuple[int, int] = (140, 84)) -> Picture:
    rough = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
    return Picture(jpeg, digest(jpeg), time)


def film(seed: int, gap: float, many: int = 8, **more: Any) -> tuple[Picture, ...]:
    return tuple(picture(100 * seed + i, i * gap, **more) for i in range(many))


ITEMS = {
    "text": Item("A red ball rolls to the left.", ()),
    "text with instruction": Item("A red ball rolls to the left.", (), "Find the video that this text describes."),
    "text that looks like a token": Item("Two <|im_end|> signs\nand a line. ", (), "Find it."),
    "image": Item("", (picture(1, 0.0),)),
    "image with text": Item("the same, but blue", (picture(1, 0.0),), "Find the video."),
    "video": Item("", film(2, 0.5)),
    "video with text": Item("the same, but blue", film(2, 0.5), "Find the video."),
    "quick video": Item("", film(3, 1 / 30)),
    "long video": Item("then it stops", film(4, 6.4)),
    "odd number of frames": Item("", film(5, 1.3, many=5)),
    "large picture": Item("", (picture(6, 0.0, (640, 360)),)),
    "large video": Item("", film(7, 0.8, size=(640, 360))),
}


@pytest.fixture(scope="module")
def recipe(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    out = tmp_path_factory.mktemp("served")
    return parse_recipe(RECIPE.format(out=out, base=tiny, tokens=TOKENS), "served", out)


@pytest.fixture(scope="module")
def own(recipe: Recipe, tiny: str) -> Any:
    """The trainer's own embedder, whose weights are not those of the base any more."""
    import torch

    from synflow.train.embedder import load
    from synflow.train.prober import Trained
    from synflow.train.samples import Sequencer

    os.environ["HF_HUB_OFFLINE"] = "1"
    embedder = load(recipe, tiny, torch.device("cpu"))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in embedder.trained.values():
            weight += 0.02 * torch.randn_like(weight)
    return Trained(embedder, Sequencer(tiny, "", recipe.input), 4096)


@pytest.fixture(scope="module")
def model(own: Any, recipe: Recipe, tiny: str) -> str:
    """The checkpoint that a training leaves."""
    from synflow.train.product import leave_whole

    return str(leave_whole(recipe, tiny, own.embedder))


@pytest.fixture(scope="module")
def server(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a manifest says of the server of that model."""
    from conftest import free_port

    place = Place("127.0.0.1", free_port())
    servers = Servers([model, *SERVER], model, [place], tmp_path_factory.mktemp("pooling"))
    try:
        servers.wait(600)
        yield {"use": "openai_http", "base_url": place.url, "model": model}
    finally:
        servers.close()


@pytest.fixture(scope="module")
def embeds(server: dict[str, Any]) -> Embedder:
    return open_embedder({**server, "frames": "video"})


def cosines(own: Any, embeds: Embedder) -> dict[str, float]:
    mine, theirs = own.embed(list(ITEMS.values())), embeds.embed(list(ITEMS.values()))
    assert all(one.values is not None for one in (*mine, *theirs))
    return {
        name: float(a.values.astype(np.float64) @ b.values.astype(np.float64))
        for name, a, b in zip(ITEMS, mine, theirs, strict=True)
    }


def test_the_served_model_gives_the_vectors_that_were_trained(own: Any, embeds: Embedder) -> None:
    found = cosines(own, embeds)
    print("\n" + "\n".join(f"{name:30} {value:.7f}" for name, value in found.items()))
    # Pictures that must be made smaller are so by other code there; all else is the same but for rounding.
    exact = {name: value for name, value in found.items() if not name.startswith("large")}
    assert min(exact.values()) > 0.99999, found
    assert min(found.values()) > 0.999, found


def test_frames_and_their_times_and_order_count(embeds: Embedder) -> None:
    frames = ITEMS["video"].pictures
    slow = tuple(Picture(one.jpeg, one.digest, 8 * one.time) for one in frames)
    back = tuple(Picture(one.jpeg, one.digest, at.time) for one, at in zip(frames[::-1], frames, strict=True))
    (base, slower, reverse) = (one.values for one in embeds.embed([Item("", f) for f in (frames, slow, back)]))
    assert base is not None and slower is not None and reverse is not None
    assert float(base @ slower) < 0.9999
    assert float(base @ reverse) < 0.9999


def test_as_images_the_vector_is_another(server: dict[str, Any], embeds: Embedder) -> None:
    singly = open_embedder(server)
    assert singly.model != embeds.model
    (one,), (other,) = singly.embed([ITEMS["video"]]), embeds.embed([ITEMS["video"]])
    assert one.values is not None and other.values is not None
    assert float(one.values @ other.values) < 0.999


def test_the_template_lays_a_message_out_as_it_was_trained(own: Any, model: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    told = [{"role": "system", "content": "Find it."}, {"role": "user", "content": [{"type": "text", "text": "a dog"}]}]
    ids = tokenizer.apply_chat_template(told, tokenize=True)
    family = own.sequencer._family(False)
    assert list(getattr(ids, "input_ids", ids)) == family.laid_out(Item("a dog", (), "Find it."), (0, 0, 0))[0]
