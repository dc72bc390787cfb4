"""``synflow train``: the bundled trainer, and what a recipe will do before it does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synflow.commands.output import shell, write_json
from synflow.console import clean, count_of, people, size_of
from synflow.errors import UsageError
from synflow.train.executor import RayWorkers
from synflow.train.recipe import Recipe, load_recipe


def train_recipe(
    recipe: Path, sets: Sequence[str], out: Path | None, *, resume: bool, dry_run: bool, as_json: bool
) -> int:
    """Train, or tell what would be trained; return 0."""
    loaded = load_recipe(recipe, sets)
    if out is not None:
        loaded = loaded.model_copy(update={"output": str(out.absolute())}).located(recipe.absolute().parent)
    if dry_run:
        from synflow.train.outlook import outlook

        told = outlook(loaded, _processes(loaded))
        if as_json:
            write_json(told)
        else:
            _show(told)
        return 0
    try:
        if isinstance(loaded.executor, RayWorkers):
            from synflow.train.fleet import train_under_ray

            done = train_under_ray(loaded, loaded.executor, resume=resume)
        else:
            from synflow.train.training import train

            done = train(loaded, resume=resume)
    except ImportError as error:
        raise UsageError(
            f"training needs {_missing(error)}, which is not installed",
            "pip install 'synflow[train]'; --dry-run works without it",
        ) from error
    if as_json:
        write_json(done)
    return 0


def _missing(error: ImportError) -> str:
    """Return the package that is not installed; Ray names it in the cause."""
    name = error.name or getattr(error.__cause__, "name", None) or "torch"
    return str(name).split(".")[0]


def _processes(recipe: Recipe) -> int:
    """Return how many will train."""
    ray = recipe.executor
    return ray.workers if isinstance(ray, RayWorkers) else int(os.environ.get("WORLD_SIZE", "1"))


def _show(told: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = people()
    console.print(Text.assemble(("training ", "bold"), f"{told['name']}: {count_of(told['steps'], 'step')}"))
    console.print(
        Text(
            f"{count_of(told['epochs'], 'epoch')} of {told['steps_of_epoch']:,}, about {told['tokens'] / 1e6:,.1f} "
            f"million tokens, {count_of(told['processes'], 'process', 'processes')}",
            style="dim",
        )
    )
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for title in ("task", "pairs", "held out", "batch", "a pass", "drawn", "tokens a pair"):
        table.add_column(title, justify="left" if title == "task" else "right", no_wrap=True)
    for task, one in told["tasks"].items():
        names = ("pairs", "held_out", "batch", "batches", "drawn", "tokens")
        table.add_row(task, *(f"{one[name]:,}" for name in names))
    console.print(table)
    if told["scores_assumed_equal"]:
        console.print(Text("drawn: as if the prober found all tasks equal; it is asked when the epoch starts", "dim"))
    for task, why in told["left_out"].items():
        console.print(Text(f"left out: {task}, {clean(why)}"))
    model = told["model"]
    if not model["known"]:
        console.print(Text(f"memory: unknown, {clean(model['base'])} is not at hand"))
        return
    memory = {name: size_of(size) for name, size in model["memory"].items()}
    console.print(
        Text(
            f"{clean(model['base'])}: {model['parameters'] / 1e6:,.1f} million parameters, "
            f"{model['trained'] / 1e6:,.2f} million trained\n"
            f"memory of a process, about {memory['total']}: weights {memory['weights']}, "
            f"trained {memory['trained']}, activations {memory['activations']}, vision {memory['vision']}"
        )
    )
    console.print(Text.assemble("\n", ("Output", "bold"), f"\n  {shell(Path(told['output']))}"), soft_wrap=True)
