"""The plots of the study: bars with their spread, the same bytes for the same results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from _study_statistics import Table, difference, pooled

from synflow.evaluate.abilities import ABILITIES

COLORS = ("#888888", "#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677")
"""Of the ways, in their order (Paul Tol's, which the colour-blind tell apart)."""


def _chart(name: str, title: str, below: str, labels: Sequence[str], colors: Sequence[str], beside: str) -> Any:
    import pygal
    from pygal.style import Style

    # Its import hook for plugins has been of no use to Python since 3.4.
    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__name__ != "PluginImportFixer"]
    chart = pygal.Bar(
        js=[], disable_xml_declaration=True, width=760, height=360, pretty_print=False, print_values=False,
        y_title=beside, x_title=below, style=Style(colors=tuple(colors), background="white"), title=title,
    )  # fmt: skip
    chart.uuid = name
    chart.x_labels = list(labels)
    return chart


def _bar(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": round(100 * value, 2), "ci": {"low": round(100 * low, 2), "high": round(100 * high, 2)}}


def scores_drawn(table: Table, ways: Sequence[str], shares: Sequence[int]) -> str:
    """Return a plot of the ability average of each way and share, with one pooled standard deviation over seeds."""
    title = "MiniUVRB: mean over seeds, and one pooled standard deviation"
    labels = [f"{share} %" for share in shares]
    chart = _chart("study", title, "false captions", labels, COLORS, "ability average, points")
    deviation, _ = pooled(table, "abilities")
    for way in ways:
        means = [fmean(run["abilities"] for run in table[way, share]) for share in shares]
        chart.add(way, [_bar(mean, mean - deviation, mean + deviation) for mean in means])
    return _drawn(chart)


def gains_drawn(table: Table, ways: Sequence[str], shares: Sequence[int]) -> str:
    """Return a plot of what each way but the first scores more than the first, by ability, with its intervals."""
    title = f"Gain over {ways[0]}, mean over shares of false captions, with its interval"
    chart = _chart("gains", title, "ability", ABILITIES, COLORS[1:], "MRR, points")
    for way in ways[1:]:
        found = [difference(table, way, ways[0], ability, shares) for ability in ABILITIES]
        chart.add(way, [None if one is None else _bar(one.value, one.low, one.high) for one in found])
    return _drawn(chart)


def _drawn(chart: Any) -> str:
    """Return a chart that is high enough for its intervals."""
    ends = [bar["ci"][end] for series in chart.raw_series for bar in series[0] if bar for end in ("low", "high")]
    chart.range = (min(0.0, *ends), max(0.0, *ends))
    text: str = chart.render(is_unicode=True)
    return text
