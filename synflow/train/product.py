"""What a training leaves: the adapter, a merged model where asked for, the plot of the curriculum, the model card.

The adapter's folder also holds tokenizer and image preparation of its base and names it, so that whatever loads
adapters loads it by its folder alone: ``models.embed: {use: transformers, model: FOLDER}`` does. The merged folder is a
checkpoint of the same class as the base; whatever serves the base serves it, and its chat template lays out what is to
be embedded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from synflow import __version__
from synflow.durable import Attempt, publish_folder, replace_file
from synflow.models.embedder_families import SYSTEM, TIMED, square_of
from synflow.train.checkpoint import State
from synflow.train.curriculum import EpochPlan, drawn_as_svg
from synflow.train.embedder import Embedder
from synflow.train.pool import Pool, counted
from synflow.train.recipe import Full, Recipe

TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nSYSTEM<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] in ('video', 'video_url') %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] | trim }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{{ '<|im_start|>assistant\\n<|endoftext|>' }}"
).replace("SYSTEM", SYSTEM)
"""Of the merged model, in place of its base's: a message is laid out as in training, up to the token whose state is the
vector, so that a server that embeds messages needs no option for it."""
TIMED_TEMPLATE = TEMPLATE.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")
"""That of Qwen3-VL: the processor marks each step of a video by itself, between the times."""


def leave(
    recipe: Recipe, base: str, embedder: Embedder, pool: Pool, state: State, plans: Sequence[EpochPlan]
) -> dict[str, Any]:
    """Write all that stays; return what was left, as JSON."""
    out = recipe.out
    made: dict[str, Any] = {"name": recipe.name, "steps": state.step}
    if embedder.adapter is not None:
        made["adapter"] = str(_adapter(recipe, base, embedder))
    if embedder.adapter is None or recipe.outputs.merged:
        embedder.merge()
        made["model"] = str(leave_whole(recipe, base, embedder))
    with Attempt(out / "staging") as attempt:
        replace_file(drawn_as_svg(plans).encode(), out / "curriculum.svg", attempt)
        card = _card(recipe, square_of(embedder.model.config), pool, state, made)
        replace_file(card.encode(), out / "README.md", attempt)
        made["held_out"] = state.trials[-1] if state.trials else {}
        made["spoilt"] = len(state.spoilt)
        replace_file(json.dumps(made, indent=2).encode() + b"\n", out / "result.json", attempt)
    return made


def _adapter(recipe: Recipe, base: str, embedder: Embedder) -> Path:
    """Write the adapter as peft publishes it."""
    target = recipe.out / "adapter"
    with Attempt(recipe.out / "staging") as attempt:
        embedder.adapter.save_pretrained(str(attempt.folder), save_embedding_layers=False)
        path = attempt.folder / "adapter_config.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        told["base_model_name_or_path"] = base
        path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        _beside(recipe, base, attempt.folder)
        publish_folder(attempt, target)
    return target


def leave_whole(recipe: Recipe, base: str, embedder: Embedder) -> Path:
    """Write a checkpoint of the base's own class with the trained weights in it; adapters must be merged before."""
    from transformers import AutoModelForImageTextToText

    target = recipe.out / "model"
    more = {"revision": recipe.model.revision} if recipe.model.revision else {}
    half = recipe.model.dtype == "bfloat16"
    whole: Any = AutoModelForImageTextToText.from_pretrained(
        base, dtype=torch.bfloat16 if half else torch.float32, trust_remote_code=False, **more
    )
    whole.model.load_state_dict(plain_weights(embedder), strict=True)
    with Attempt(recipe.out / "staging") as attempt:
        whole.save_pretrained(str(attempt.folder))
        _beside(recipe, base, attempt.folder)
        embeds(attempt.folder, TIMED_TEMPLATE if whole.config.model_type == TIMED else TEMPLATE)
        publish_folder(attempt, target)
    return target


def plain_weights(embedder: Embedder) -> dict[str, torch.Tensor]:
    """Return the weights as the base names them; adapters must be merged before."""
    found = {}
    for name, value in embedder.model.state_dict().items():
        if ".lora_" not in name:
            found[name.replace(".base_layer.", ".")] = value.detach().to("cpu")
    return found


def _beside(recipe: Recipe, base: str, folder: Path) -> None:
    """Put tokenizer and image preparation of the base into a folder."""
    from transformers import AutoImageProcessor, AutoTokenizer

    more: dict[str, Any] = {"revision": recipe.model.revision} if recipe.model.revision else {}
    for loader in (AutoTokenizer, AutoImageProcessor):
        how = {**more, "backend": "pil"} if loader is AutoImageProcessor else more
        loader.from_pretrained(base, trust_remote_code=False, **how).save_pretrained(str(folder))
    for name in ("chat_template.json", "chat_template.jinja", "video_preprocessor_config.json"):
        own = Path(base) / name
        if own.is_file() and not (folder / name).exists():
            (folder / name).write_bytes(own.read_bytes())


def embeds(folder: Path, template: str = TEMPLATE) -> None:
    """Let the chat template of a checkpoint be the one that embeds, wherever a reader looks for it."""
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    (folder / "chat_template.json").unlink(missing_ok=True)
    for name in ("tokenizer_config.json", "processor_config.json"):
        path = folder / name
        if path.is_file():
            told = json.loads(path.read_text(encoding="utf-8"))
            if told.pop("chat_template", None) is not None:
                path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _card(recipe: Recipe, square: int, pool: Pool, state: State, made: Mapping[str, Any]) -> str:
    """Return the model card; ``square`` pixels are a visual token."""
    tuned = "all weights of the language model" if isinstance(recipe.tune, Full) else (
        f"LoRA r {recipe.tune.rank}, alpha {recipe.tune.alpha:g}, dropout {recipe.tune.dropout:g} on "
        f"{', '.join(recipe.tune.targets)}"
    )  # fmt: skip
    lines = [
        "---", f"base_model: {recipe.model.base}", "library_name: peft" if "adapter" in made else "library_name: "
        "transformers", "pipeline_tag: feature-extraction", "tags: [video-retrieval, embedding]", "---", "",
        f"# {recipe.name}", "",
        f"An embedder for texts, pictures and videos, trained by synflow {__version__} from `{recipe.model.base}`: "
        f"{tuned}; {state.step:,} steps of {recipe.epochs} epochs; seed {recipe.seed}.", "",
        f"Data: `{Path(pool.dataset.files.root).name}`, whose pairs have the digest `{pool.state()}`. "
        f"{pool.videos:,} videos were held out.", "",
        "| task | pairs | held out | pairs of a batch |", "|---|---|---|---|",
    ]  # fmt: skip
    for task, one in counted(pool).items():
        lines.append(f"| {task} | {one['pairs']:,} | {one['held_out']:,} | {one['batch']:,} |")
    lines += ["", "## Curriculum", "", "![P(task) over the steps](curriculum.svg)", ""]
    for plan in state.plans:
        chances = ", ".join(f"{task} {value:.3f}" for task, value in sorted(plan["chances"].items()))
        lines.append(f"- epoch {plan['epoch'] + 1}, sigma {plan['sigma']:.2f}: {chances}")
    if state.trials:
        lines += ["", "## Held-out pairs", ""]
        lines += ["| epoch | task | R@1 | R@10 | candidates | chance |", "|---|---|---|---|---|---|"]
        for epoch, found in enumerate(state.trials, start=1):
            for task, one in found.items():
                lines.append(
                    f"| {epoch} | {task} | {one['recall@1']:.3f} | {one['recall@10']:.3f} | {one['candidates']:,.0f} | "
                    f"{one['chance']:.4f} |"
                )
    if state.spoilt:
        lines += ["", f"{len(state.spoilt):,} samples could not be read and were left out:", ""]
        lines += [f"- `{name}`: {why}" for name, why in sorted(state.spoilt.items())[:20]]
    lines += [
        "", "## Use", "",
        "The vector is the last state of `<|endoftext|>` after the assistant's header, at unit length; an instruction "
        "takes the place of the system text on the query side.", "",
        "```yaml", "models:",
        f"  embed: {{use: transformers, model: {'adapter' if 'adapter' in made else 'model'}, "
        f"max_pixels: {recipe.input.frame_tokens * square}}}", "```", "",
    ]  # fmt: skip
    return "\n".join(lines)
