"""A training step of sentence-transformers on the pairs of a run: its own trainer, loss, collator and modules.

It takes videos as frames with their times, through the processor and chat template of transformers. Needs what is in
none of synflow's extras: ``pip install sentence-transformers datasets torchvision``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, inject_adapter_in_model
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import MultipleNegativesSymmetricRankingLoss
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoConfig, TrainerCallback

from synflow.asks import Item
from synflow.models.embedder_families import square_of
from synflow.train.product import embeds
from synflow.train.recipe import Recipe
from synflow.train.samples import Items, decoded


class Laps(TrainerCallback):  # type: ignore[misc]
    """Seconds of each step, reading and preparing counted."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.laps = clock, [clock()]
        self.losses: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take the time."""
        self.laps.append(self.clock())

    def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
        """Keep the loss."""
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))


def trained(
    recipe: Recipe, base: Path, items: Items, batches: Sequence[Sequence[int]], device: str, out: Path
) -> dict[str, float]:
    """Train the batches given, each a step, and return seconds and tokens of a step, the first left out.

    Args:
        recipe: learning rate, temperature, adapters and limits are those of it.
        base: folder of the model; is given the chat template that ends with the token whose state is the vector.
        items: reads the pairs.
        batches: places of the pairs.
        device: where it runs.
        out: a folder for what the trainer leaves.
    """
    embeds(base)
    token = square_of(AutoConfig.from_pretrained(base))
    size = {"size": {"shortest_edge": 4 * token, "longest_edge": recipe.input.frame_tokens * token}}
    tower = Transformer(str(base), processing_kwargs={"image": size, "video": {**size, "do_sample_frames": False}})
    width = tower.model.config.get_text_config().hidden_size
    model = SentenceTransformer(modules=[tower, Pooling(width, pooling_mode="lasttoken")], device=device)
    adapters = LoraConfig(
        r=recipe.tune.rank, lora_alpha=recipe.tune.alpha, lora_dropout=0.0, bias="none",
        target_modules=r".*language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|up|down|gate)_proj",
    )  # fmt: skip
    # Not by the model's own `add_adapter`, which wants a newer peft than others here.
    inject_adapter_in_model(adapters, tower.model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(".lora_" in name)
    counts: list[tuple[int, int]] = []
    plain = model.preprocess

    def preprocess(*args: Any, **more: Any) -> Any:
        found = plain(*args, **more)
        counts.append((int(found["attention_mask"].sum()), found["attention_mask"].numel()))
        return found

    model.preprocess = preprocess
    clock = time.process_time if device == "cpu" else time.perf_counter
    laps = Laps(clock)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(out), per_device_train_batch_size=len(batches[0]), max_steps=len(batches),
            learning_rate=recipe.optimizer.lr, lr_scheduler_type="cosine", weight_decay=recipe.optimizer.weight_decay,
            logging_steps=1, report_to="none", save_strategy="no", batch_sampler=_InOrder, use_cpu=device == "cpu",
            disable_tqdm=True, prompts={"query": items.pair(batches[0][0]).instruction},
        ),
        train_dataset=_dataset(items, [place for batch in batches for place in batch]),
        loss=MultipleNegativesSymmetricRankingLoss(model, scale=1 / recipe.loss.temperature),
        callbacks=[laps],
    )  # fmt: skip
    trainer.train()
    seconds = np.diff(laps.laps)[1:]
    sides = len(counts) // len(batches)
    read, padded = (sum(one[side] for one in counts[sides:]) for side in (0, 1))
    return {
        "seconds": float(np.mean(seconds)), "tokens_per_s": read / float(np.sum(seconds)),
        "padding": 1 - read / padded, "loss": laps.losses[-1],
    }  # fmt: skip


class _InOrder(DefaultBatchSampler):  # type: ignore[misc]
    """The batches that were given."""

    def __init__(self, dataset: Any, batch_size: int, drop_last: bool, **more: Any) -> None:
        super().__init__(torch.utils.data.SequentialSampler(dataset), batch_size=batch_size, drop_last=True, **more)

    def __iter__(self) -> Iterator[list[int]]:
        many = len(self.sampler)
        yield from (list(range(start, start + self.batch_size)) for start in range(0, many, self.batch_size))


def _dataset(items: Items, places: Sequence[int]) -> Dataset:
    """Return the pairs, read and decoded when they are asked for."""

    def read(rows: dict[str, list[int]]) -> dict[str, list[Any]]:
        pairs = [items.pair(place) for place in rows["query"]]
        return {
            "query": [_input(items.query(pair)) for pair in pairs],
            "target": [_input(items.target(pair)) for pair in pairs],
        }

    return Dataset.from_dict({"query": list(places), "target": list(places)}).with_transform(read)


def _input(item: Item) -> Any:
    found: dict[str, Any] = {"text": item.text} if item.text else {}
    if len(item.pictures) > 1:
        frames = np.stack([decoded(one) for one in item.pictures])
        gap = (item.pictures[-1].time - item.pictures[0].time) / (len(frames) - 1)
        about = {"fps": 1 / gap, "total_num_frames": len(frames), "frames_indices": list(range(len(frames)))}
        found = {"video": {"array": frames, "video_metadata": about}, **found}
    elif item.pictures:
        found = {"image": decoded(item.pictures[0]), **found}
    return found
