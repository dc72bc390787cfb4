"""The recipe of an evaluation: strict YAML, checked at once, with errors that name line, key and remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from synflow.errors import UsageError
from synflow.evaluate.reference import uvrb
from synflow.evaluate.scoring import Cosine, MaxSim, Scorer, StochasticText
from synflow.manifest.complaints import Complaint, complaints_of, raise_all
from synflow.manifest.parts import Part
from synflow.manifest.settings import apply_sets, read_yaml, text_of
from synflow.records import Task

REMEDY = "docs/evaluate.md tells what a recipe may hold; manifests/evaluate/ has some to start from"

Ability = Literal["CG", "S", "T", "PR", "LC", "CMP", "VIS"]
Metric = Literal["R@1", "R@5", "R@10", "P@1", "MRR", "nDCG@10"]
Probe = Literal["order", "attributes", "composition", "wording"]


class Uvrb(Part):
    """UVRB as it was released.

    Attributes:
        root: the folder that holds one folder for each dataset.
        datasets: only these; empty: all that are there.
    """

    root: str = Field(min_length=1)
    datasets: tuple[str, ...] = ()


class Custom(Part):
    """A dataset of your own in the same layout.

    Attributes:
        name: what it is called; by default as its folder.
        instruction: for its queries, where the embedder takes one.
    """

    folder: str = Field(min_length=1)
    name: str = ""
    ability: Ability = "CG"
    metric: Metric = "R@1"
    instruction: str = ""


class HeldOut(Part):
    """A finished synflow run, whose pairs are the questions.

    Attributes:
        name: what its datasets are called; by default as its folder.
        tasks: of the pairs; empty: all.
        pairs: of each task at most; None: all.
    """

    folder: str = Field(min_length=1)
    name: str = ""
    tasks: tuple[Task, ...] = ()
    pairs: int | None = Field(None, ge=1)


class Miniature(Part):
    """The 16 tasks in miniature, rendered where they are not there yet.

    Attributes:
        folder: where it is kept.
        clips: of the common corpus; the long ones and the edited ones come on top.
        seed: draws all of them; worlds of `synflow world` have other seeds.
    """

    folder: str = Field(min_length=1)
    clips: int = Field(32, ge=12, le=2000)
    seed: int = Field(880_000_001, ge=0)


class CosineSpec(Part):
    """One vector each."""

    use: Literal["cosine"] = "cosine"

    def opened(self, folder: Path) -> Scorer:
        """Return the scorer."""
        return Cosine()


class MaxSimSpec(Part):
    """Late interaction over frames and words."""

    use: Literal["maxsim"]

    def opened(self, folder: Path) -> Scorer:
        """Return the scorer."""
        return MaxSim()


class StochasticSpec(Part):
    """Texts as clouds of points; see `synflow.evaluate.scoring`.

    Attributes:
        samples: points of each.
        radius: in shares of a text's length, where there are no weights.
        weights: an .npz file of a trained radius.
    """

    use: Literal["stochastic"]
    samples: int = Field(20, ge=1, le=1000)
    seed: int = Field(0, ge=0)
    radius: float = Field(0.1, ge=0, le=10)
    weights: str | None = None

    def opened(self, folder: Path) -> Scorer:
        """Return the scorer; UsageError where the weights cannot be read."""
        weights = folder / self.weights if self.weights else None
        return StochasticText(self.samples, self.seed, self.radius, weights)


class Recipe(Part):
    """What is evaluated on what.

    Attributes:
        name: of the evaluation; it is what the report calls the model.
        embedder: as ``models.embed`` of a manifest (``use: signals | transformers | openai_http``), or
            ``use: <plugin>`` with the parameters of a plugin.
        output: folder of the results; ``cache``: of vectors, by default inside it.
        frames: pictures of a video; ``frame_seconds``: from one frame file to the next.
        precision: ``bf16`` rounds the vectors before they are compared; the weights' is the embedder's own ``dtype``.
        instructions: dataset -> what its queries are asked with, instead of the usual one.
        probes: further tests, see docs/evaluate.md.
        compare: folder of another evaluation, for the paired bootstrap.
        bootstrap: resamplings.
        failures: queries of each dataset whose mistakes the report shows.
        seed: of the bootstrap and the probes.
    """

    version: Literal[1]
    name: str = Field(min_length=1, max_length=80)
    embedder: dict[str, JsonValue]
    uvrb: Uvrb | None = None
    datasets: tuple[Custom, ...] = ()
    runs: tuple[HeldOut, ...] = ()
    miniature: Miniature | None = None
    output: str = Field(min_length=1)
    cache: str = ""
    frames: int = Field(8, ge=1, le=1024)
    frame_seconds: float = Field(1.0, gt=0, le=3600)
    precision: Literal["fp32", "bf16"] = "fp32"
    scorer: Annotated[CosineSpec | MaxSimSpec | StochasticSpec, Field(discriminator="use")] = CosineSpec()
    instructions: dict[str, str] = Field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    compare: str | None = None
    bootstrap: int = Field(2000, ge=100, le=100_000)
    failures: int = Field(3, ge=0, le=50)
    seed: int = Field(0, ge=0)


def load_recipe(path: Path, sets: Sequence[str] = ()) -> Recipe:
    """Return the recipe in a file, with ``sets`` (``key.path=value``) on top.

    Raises:
        UsageError: the file cannot be read, or something in it or in ``sets`` is wrong.
    """
    settings = read_yaml(text_of(path, "recipe", REMEDY), str(path))
    apply_sets(settings, sets, tuple(Recipe.model_fields), ())
    if not isinstance(settings.value, dict):
        raise UsageError(f"{path}: a recipe must be a mapping", REMEDY)
    raw: dict[str, Any] = settings.value
    recipe: Recipe | None = None
    found: list[Complaint] = []
    try:
        recipe = Recipe.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        found = [one.under((), REMEDY) for one in complaints_of(error, Recipe, raw)]
    if recipe is None:
        raise_all(found, settings)
    found = [one.under((), REMEDY) for one in _senseless(recipe)]
    if found:
        raise_all(found, settings)
    return recipe


def _senseless(recipe: Recipe) -> list[Complaint]:
    found = []
    if not (recipe.uvrb or recipe.datasets or recipe.runs or recipe.miniature):
        found.append(Complaint((), "names nothing to evaluate on: uvrb, datasets, runs or miniature"))
    for place, name in enumerate(recipe.uvrb.datasets if recipe.uvrb else ()):
        if name not in uvrb():
            found.append(
                Complaint(("uvrb", "datasets", place), f"UVRB has no dataset {name!r}", f"it has {', '.join(uvrb())}")
            )
    if not isinstance(recipe.embedder.get("use", "signals"), str):
        found.append(Complaint(("embedder", "use"), "must be a text"))
    for place, one in enumerate(recipe.datasets):
        others = [name_of(other.folder, other.name) for other in recipe.datasets[:place]]
        if name_of(one.folder, one.name) in others:
            found.append(Complaint(("datasets", place), "has the name of another one", "give it a `name`"))
    return found


def name_of(folder: str, name: str) -> str:
    """Return what a dataset or run is called."""
    return name or Path(folder).name or folder


def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a recipe."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
