"""Quantiles of a few values are NumPy's, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from synflow.media.ranks import medians, quantile


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13])
def test_a_quantile_is_that_of_numpy(count: int) -> None:
    rng = np.random.default_rng(count)
    for share in (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        for values in (rng.random(count), rng.normal(0, 1e6, count), np.full(count, 0.1)):
            assert quantile(values.tolist(), share) == float(np.quantile(values, share))


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (7, 4), (8, 3)])
def test_the_medians_of_columns_are_those_of_numpy(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(shape[0]).normal(0, 1, shape)
    assert medians(rows).tolist() == np.median(rows, axis=0).tolist()
