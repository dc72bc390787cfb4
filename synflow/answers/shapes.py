"""The shape of each answer, as a model of pydantic; the schema in a prompt file is that of its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Said = Annotated[str, StringConstraints(min_length=1)]
"""A text that is there. Lengths are words and checked after parsing: a server may answer ``maxLength`` wrongly."""


class Shape(BaseModel):
    """Base of all shapes: nothing is converted, nothing else may be in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FiveCaptions(Shape):
    """Five captions of a clip, one for each style, or of one picture."""

    one: Said = Field(alias="1")
    two: Said = Field(alias="2")
    three: Said = Field(alias="3")
    four: Said = Field(alias="4")
    five: Said = Field(alias="5")


class ImageQuery(Shape):
    """The text beside a reference picture, and the strategy that it follows."""

    query: Said
    strategy: Literal["identity-action", "identity-scene", "identity-negative", "relational"]


class VideoQuery(Shape):
    """The text beside a reference clip, and how the two clips are related."""

    query: Said
    relation: Literal["continuation", "viewpoint", "condition", "variation"]


class Claims(Shape):
    """One answer for each statement."""

    answers: Annotated[list[Literal["yes", "no", "unsure"]], Field(min_length=1)]


class Judgement(Shape):
    """Whether a query fits what was found; the reason comes first, so that the verdict follows from it."""

    reason: Said
    verdict: Literal["fits", "partly", "no"]


SHAPES: Mapping[str, type[Shape]] = {
    "video-captions": FiveCaptions,
    "frame-captions": FiveCaptions,
    "composed-image": ImageQuery,
    "composed-video": VideoQuery,
    "audit": Claims,
    "pair-judge": Judgement,
}
"""Prompt -> the shape of its answer."""


def schema_of(shape: type[Shape]) -> dict[str, Any]:
    """Return the JSON Schema of a shape as a prompt file holds it: without titles and words for people."""
    bare = _bare(shape.model_json_schema(by_alias=True))
    return {key: bare[key] for key in ("type", "properties", "required", "additionalProperties")}


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _bare(value) for key, value in schema.items() if key not in ("title", "description")}
