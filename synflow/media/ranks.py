"""Medians and other quantiles of a few values: for so few, NumPy's own take a tenth of a millisecond each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which ``share`` (0..1) of the values lie, between two of them linearly.

    It is what ``np.quantile`` returns, to the bit. There must be values.
    """
    ranked = sorted(float(value) for value in values)
    place = share * (len(ranked) - 1)
    low = int(place)
    a, b, part = ranked[low], ranked[min(low + 1, len(ranked) - 1)], place - low
    return b - (b - a) * (1 - part) if part >= 0.5 else a + (b - a) * part


def medians(rows: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Return the median of each column of ``[n, k]`` values, ``n`` at least 1, as ``np.median`` has it."""
    ranked = np.sort(rows, axis=0)
    return np.asarray((ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2)
