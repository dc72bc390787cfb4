"""An embedder without weights: it places texts by what they claim and pictures by what they lack.

The space has one axis for each claim of `claims.CLAIMS`, one that all vectors share, and 48 that only pictures use.

* A text is ``(a, b/sqrt(k) on each of its k claims, 0)`` with ``a*a = b*b = 1/2``.
* Pictures are ``(a, -g*lack on each claim, rest)`` with ``g*g = 1/2 / number of claims``; ``lack`` is 0 where the
  pictures support the claim and 1 where they clearly contradict it. ``rest`` makes the length 1; its direction is how
  the pictures look (mean L*, a* and b* of 4 x 4 parts of them), so that pictures can be compared with pictures.

So the dot product is ``1/2`` for every text whose claims are all supported, whatever they are, and falls by
``b*g*lack/sqrt(k)`` (0.13 for a text with one claim) for each one that is not. It saturates at 1/2 and not at 1 since
two unit vectors only give 1 when they are equal, and one clip fits many different texts. Colours that a clip has and
a text does not name cost nothing.

A text without any such claim cannot be compared: the embedder abstains.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from synflow.asks import Item, Picture, Vector, said_digest
from synflow.claims import CLAIMS, claims_of
from synflow.ids import digest
from synflow.media.colors import Rgb, lab_grid
from synflow.media.lacks import Shades, lack

SATURATED = 0.5
"""The dot product of a text and pictures that support all that it claims."""

GRID = 4
DIM = len(CLAIMS) + 1 + GRID * GRID * 3

_SHARED = SATURATED**0.5
_TEXT = (1.0 - SATURATED) ** 0.5
_LACK = ((1.0 - SATURATED) / len(CLAIMS)) ** 0.5

Lacks = npt.NDArray[np.float64]
Look = npt.NDArray[np.float64]
_Seen = tuple[Lacks | None, Look | None, str]
"""What a picture lacks and how it looks, None where it cannot be read, and the digest of the bytes that were read."""


class SignalsEmbedder:
    """Embeds texts and pictures by measurable claims; needs no weights.

    Pictures of one item count together: a claim is supported when one of them supports it.
    """

    model = "signals-embed/3"
    learned = False

    def embed(self, items: Sequence[Item]) -> Sequence[Vector]:
        """Return one unit vector (float32 ``[DIM]``) for each item; abstain where nothing can be compared.

        An item with text and pictures lies between the two; ``instruction`` is not used.
        """
        seen: dict[str, _Seen] = {}
        return [_embedded(item, seen) for item in items]


def _embedded(item: Item, seen: dict[str, _Seen]) -> Vector:
    """Return the vector of an item; ``seen`` holds what pictures of the same batch lack, by their digests."""
    shown, bound = _of_pictures(item.pictures, seen)
    told = _of_text(item.text)
    parts = [v for v in (told, shown) if v is not None]
    if not parts or (item.text is not None and told is None) or (item.pictures and shown is None):
        return Vector(None, bound)
    total = np.sum(parts, axis=0)
    return Vector((total / np.linalg.norm(total)).astype(np.float32), bound, said_digest(item.text))


def _of_text(text: str | None) -> Lacks | None:
    """Return the vector of a text; None where it claims nothing that can be measured."""
    claims = claims_of(text) if text else ()
    if not claims:
        return None
    vector = np.zeros(DIM)
    vector[0] = _SHARED
    for claim in claims:
        vector[1 + CLAIMS.index(claim)] = _TEXT / len(claims) ** 0.5
    return vector


def _of_pictures(pictures: Sequence[Picture], seen: dict[str, _Seen]) -> tuple[Lacks | None, tuple[str, ...]]:
    """Return the vector of pictures, None where none can be read, and the digests of what was read."""
    for picture in pictures:
        if picture.digest not in seen:
            seen[picture.digest] = _read(picture)
    found = [seen[picture.digest] for picture in pictures]
    bound = tuple(read for _, _, read in found)
    lacks = [lacks for lacks, _, _ in found if lacks is not None]
    if not lacks:
        return None, bound
    vector = np.zeros(DIM)
    vector[0] = _SHARED
    # One picture that supports a claim is enough.
    vector[1 : len(CLAIMS) + 1] = -_LACK * np.min(lacks, axis=0)
    rest = max(0.0, 1.0 - float(vector @ vector)) ** 0.5
    look = np.mean([look for _, look, _ in found if look is not None], axis=0)
    vector[len(CLAIMS) + 1 :] = rest * look / np.linalg.norm(look)
    return vector, bound


def _look(rgb: Rgb) -> Look:
    """Return how a picture looks: L* from its middle, a* and b* at twice their size; never all zero."""
    grid = lab_grid(rgb, GRID).astype(np.float64) * (1.0, 2.0, 2.0) - (50.0, 0.0, 0.0)
    return np.where(np.abs(grid) < 1.0, 1.0, grid).ravel()


def lacking(rgb: Rgb) -> Lacks:
    """Return how clearly a picture (uint8 ``[h, w, 3]``) contradicts each claim of `CLAIMS`: 0 (not) to 1."""
    shades = Shades(rgb)
    return np.array([lack(shades, claim) for claim in CLAIMS])


def _read(picture: Picture) -> _Seen:
    """Return what a picture lacks, and the digest of what was read: of its pixels where it brings them, or its JPEG."""
    if picture.pixels is not None:
        return lacking(picture.pixels), _look(picture.pixels), picture.digest
    bgr = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR) if picture.jpeg else None
    if bgr is None:
        return None, None, picture.digest
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    return lacking(rgb), _look(rgb), digest(picture.jpeg)
