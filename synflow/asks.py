"""What is asked of models and what they answer; the same for a served model, an engine and `signals`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synflow.ids import digest, digest_of

PICTURES_AT_HAND = 512
"""So many pictures are hashed and encoded once for all requests that show them; about 70 MB at 640 x 360."""


@lru_cache(maxsize=PICTURES_AT_HAND)
def _digest_of_jpeg(jpeg: bytes) -> str:
    """Return the digest of a picture's bytes; found by the bytes themselves, so it is always theirs."""
    return digest(jpeg)


@dataclass(frozen=True)
class Picture:
    """A JPEG that a model is shown.

    Attributes:
        digest: of ``jpeg``, as who shows it says.
        time: seconds from the first picture of the source.
        pixels: what was encoded (uint8, shape ``[h, w, 3]``), where it is at hand; spares `signals` the decoding.
    """

    jpeg: bytes
    digest: str
    time: float
    pixels: npt.NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Ask:
    """One request to a model that sees and writes.

    Attributes:
        prompt: name of the prompt, for example ``video-captions``; ``prompt_digest`` is that of its file.
        text: the instruction as rendered; it comes after the pictures.
        slots: the values that were rendered into ``text``.
        facts: what the stages measured of the clip. A served model is not sent them; `signals` reads them.
        schema: JSON Schema that the answer must satisfy.
        affinity: clip id; all asks of a clip go to one replica.
        seed: drawn from ids, sent to the model.
    """

    prompt: str
    prompt_digest: str
    text: str
    schema: Mapping[str, Any]
    pictures: tuple[Picture, ...] = ()
    system: str = ""
    slots: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    affinity: str = ""
    seed: int = 0
    max_tokens: int = 1024
    temperature: float = 0.7

    @property
    def bound(self) -> tuple[str, ...]:
        """Digests of the pictures shown, in order."""
        return tuple(p.digest for p in self.pictures)

    def sent(self) -> tuple[str, ...]:
        """Return the digests of the very bytes that a backend has in hand: what its answer is bound to."""
        return tuple(_digest_of_jpeg(p.jpeg) for p in self.pictures)

    def digest(self, model: str) -> str:
        """Return the digest of the request as ``model`` would get it: the key of the journal."""
        return digest_of(
            {
                "model": model,
                "prompt": self.prompt,
                "prompt_digest": self.prompt_digest,
                "system": self.system,
                "text": self.text,
                "slots": dict(self.slots),
                "facts": dict(self.facts),
                "schema": dict(self.schema),
                "pictures": list(self.bound),
                "seed": self.seed,
                "max_tokens": self.max_tokens,
                "temperature": self.temperature,
            }
        )


@dataclass(frozen=True)
class Answer:
    """What a model answered: JSON that was parsed, and what it cost.

    Attributes:
        request: digest of the ask; model: id of the model that answered, ``revision`` its revision.
        bound: digests of the pictures that it was shown, as the backend saw them.
    """

    request: str
    value: Any
    model: str
    revision: str = ""
    bound: tuple[str, ...] = ()
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0


@dataclass(frozen=True)
class Refusal:
    """A request that got no usable answer, and why (a reason code such as ``answer-schema``), and what it cost."""

    request: str
    reason: str
    detail: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0


class Vlm(Protocol):
    """A model that sees pictures and writes JSON."""

    @property
    def model(self) -> str:
        """Id of the model, part of every request digest."""
        ...

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        """Return one answer or refusal for each ask, in order.

        Raises:
            synflow.errors.ServiceDown: the model cannot be reached for good.
        """
        ...


@dataclass(frozen=True)
class Item:
    """What is embedded: a text, pictures, or both."""

    text: str | None = None
    pictures: tuple[Picture, ...] = ()
    instruction: str = ""


@dataclass(frozen=True)
class Vector:
    """A unit vector (float32, shape ``[dim]``), or ``None`` where the embedder abstains.

    Attributes:
        bound: digests of the pictures that it was made from, as the embedder saw them.
        said: digest of the text that it was made from (`said_digest`); empty for none, or where a backend is older.
    """

    values: npt.NDArray[np.float32] | None
    bound: tuple[str, ...] = ()
    said: str = ""


def said_digest(text: str | None) -> str:
    """Return what a vector is bound to by its text; empty for none."""
    return digest(text.encode("utf-8")) if text else ""


class Embedder(Protocol):
    """A model that maps texts and pictures into one space where the dot product says how well they fit."""

    @property
    def model(self) -> str:
        """Id of the model."""
        ...

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        """Return one vector for each item, in order."""
        ...
