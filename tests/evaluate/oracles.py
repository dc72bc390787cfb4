"""Embedders whose answers are known: they read numbers out of texts and colours out of pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import cv2
import numpy as np

from synflow.asks import Item, Vector, said_digest
from synflow.ids import digest

WIDE = 32
STEP = 8


def number_of(jpeg: bytes) -> int:
    """Return the number that a picture of `fake_uvrb.jpeg` shows."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return round(float(picture.mean()) / STEP)


class Oracle:
    """Places ``thing 7``, and pictures that show 7, on axis 7; counts what it is asked. Abstains from ``nothing``."""

    learned = True

    def __init__(self, options: dict[str, object] | None = None) -> None:
        self.model = str((options or {}).get("name", "oracle-1"))
        self.asked = 0

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        found = []
        for item in items:
            self.asked += 1
            bound = tuple(digest(one.jpeg) for one in item.pictures)
            where = self.place(item)
            found.append(Vector(where, bound, said_digest(item.text)) if where is not None else Vector(None, bound))
        return found

    def place(self, item: Item) -> np.ndarray | None:
        if item.text and "nothing" in item.text:
            return None
        told = re.findall(r"thing (\d+)", item.text or "")
        numbers = [int(one) for one in told] or [number_of(one.jpeg) for one in item.pictures]
        if not numbers:
            # Whatever it is, it is somewhere, the same for all embedders.
            values = np.ones(WIDE)
        else:
            values = np.zeros(WIDE)
            for number in numbers:
                values[number % WIDE] += 1
        return (values / np.linalg.norm(values)).astype(np.float32)


class InOrder(Oracle):
    """Tells order: a video of rising numbers is elsewhere than one of falling ones; texts say which they mean."""

    def place(self, item: Item) -> np.ndarray | None:
        values = super().place(item)
        assert values is not None
        numbers = [number_of(one.jpeg) for one in item.pictures]
        rising = "rising" in (item.text or "") if item.text else len(numbers) > 1 and numbers[-1] > numbers[0]
        values = values.copy()
        values[-1] += 0.5 if rising else -0.5
        return (values / np.linalg.norm(values)).astype(np.float32)


def opened(options: dict[str, object]) -> Oracle:
    """Return an oracle, as a plugin does."""
    if "wrong" in options:
        raise ValueError("it takes no `wrong`")
    return Oracle(options)
