"""Opens the embedder of a recipe: one of synflow's backends, or a plugin of the entry-point group `GROUP`.

A plugin is a callable ``(options) -> Embedder``; models that need code of their own come in that way::

    [project.entry-points."synflow.embedders"]
    internvideo2 = "my_package.internvideo2:open_embedder"

What it returns must hold what `synflow.models.contract` says of embedders; `synflow.evaluate.conformance` checks it.
It may offer ``parts(items)`` besides: the vectors of words or frames of each item, for late interaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from synflow.asks import Embedder
from synflow.errors import UsageError
from synflow.evaluate.recipe import REMEDY
from synflow.ids import digest_of, digest_stream
from synflow.manifest.backends import HttpEmbedder, Signals, TransformersEmbedder
from synflow.manifest.complaints import complaints_of, raise_all
from synflow.manifest.parts import Part
from synflow.manifest.settings import Origin, Settings
from synflow.models.contract import open_embedder
from synflow.registry import nearest

GROUP = "synflow.embedders"
BUILT_IN = ("signals", "transformers", "openai_http")


class _Named(Part):
    embedder: Signals | TransformersEmbedder | HttpEmbedder = Field(discriminator="use")


def plugins() -> dict[str, EntryPoint]:
    """Return the embedders of other packages by name; nothing is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def opened(spec: Mapping[str, Any], label: str, folder: Path) -> tuple[Embedder, dict[str, Any]]:
    """Return an embedder, and what it is as JSON: what its vectors are known by.

    Args:
        spec: the entry of the recipe.
        label: what errors call the recipe.
        folder: where a relative path of a model starts, if there is one.

    Raises:
        UsageError: there is no such embedder, or a parameter is wrong.
    """
    given = {"use": "signals", **spec}
    use = str(given["use"])
    if use not in BUILT_IN:
        return _plugin(use, {name: value for name, value in given.items() if name != "use"}, label)
    model = given.get("model")
    if use == "transformers" and isinstance(model, str) and (folder / model).is_dir():
        given["model"] = str(folder / model)
    try:
        named = _Named.model_validate_json(json.dumps({"embedder": given}), strict=True).embedder
    except ValidationError as error:
        found = [one.under((), REMEDY) for one in complaints_of(error, _Named, {"embedder": given})]
        raise_all(found, Settings(None, {(): Origin(label)}))
    identity = named.identity()
    if isinstance(named, TransformersEmbedder) and Path(named.model).is_dir():
        # A model that was trained further keeps its path, so its bytes are what it is.
        identity = {**identity, "model": digest_of(_hashes(Path(named.model)))}
    return open_embedder(named.model_dump(mode="json")), identity


def _hashes(folder: Path) -> list[tuple[str, str]]:
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        with path.open("rb") as stream:
            found.append((path.relative_to(folder).as_posix(), digest_stream(stream)[0]))
    return found


def _plugin(use: str, options: Mapping[str, Any], label: str) -> tuple[Embedder, dict[str, Any]]:
    known = plugins()
    if use not in known:
        near = nearest(use, (*BUILT_IN, *known))
        raise UsageError(
            f"{label}: embedder.use: there is no embedder {use!r}" + (f"; did you mean `{near}`?" if near else ""),
            f"there are {', '.join((*BUILT_IN, *known))}; a package adds one by the entry-point group {GROUP}",
        )
    point = known[use]
    try:
        embedder: Embedder = point.load()(dict(options))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{label}: embedder.use: {use!r} ({point.value}) cannot be opened: {error}", "see what the package says"
        ) from error
    made_by = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    return embedder, {"use": use, "package": made_by, "model": embedder.model, **options}
