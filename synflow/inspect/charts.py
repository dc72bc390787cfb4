"""Histograms as SVG, drawn by pygal: no script, no style of its own, and the same bytes for the same counts."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from xml.etree import ElementTree as Xml

from synflow.console import count_of, number_of
from synflow.inspect.spread import Histogram

WIDTH, HEIGHT = 400, 170
"""View box of a chart; it is drawn as wide as its column."""

SVG = "{http://www.w3.org/2000/svg}"


def drawn(shape: Histogram, label: str, threshold: float | None = None) -> str:
    """Return a histogram as an SVG element: all clips, in front of them those that were kept, and the threshold.

    Args:
        shape: what to draw.
        label: what a screen reader says.
        threshold: where to draw the line; None for none.
    """
    pygal = _pygal()
    chart = pygal.Histogram(
        css=[], js=[], disable_xml_declaration=True, width=WIDTH, height=HEIGHT, margin=4, margin_right=10,
        show_legend=False, explicit_size=False, max_scale=4, include_x_axis=True, pretty_print=False,
        formatter=_whole, x_value_formatter=_told,
    )  # fmt: skip
    chart.uuid = "chart"
    spans = list(zip(shape.edges, shape.edges[1:], strict=False))
    total = [kept + dropped for kept, dropped in zip(shape.kept, shape.dropped, strict=True)]
    bins = list(zip(shape.kept, total, spans, strict=True))
    # The outermost bars stand also where they are empty: pygal's axis reaches from the first bar to the last.
    ends = (bins[0], bins[-1])
    chart.add("all", [_bar(n, span, n, n - k) for k, n, span in bins if n or (k, n, span) in ends])
    chart.add("kept", [_bar(k, span, n, n - k) for k, n, span in bins if k])
    if threshold is not None:
        half = (shape.edges[-1] - shape.edges[0]) / WIDTH
        line = {"value": (max(total), threshold - half, threshold + half), "label": f"threshold {number_of(threshold)}"}
        chart.add("threshold", [line])
    chart.add_xml_filter(lambda root: _bare(root, label))
    text: str = chart.render(is_unicode=True)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def radar(axes: Sequence[str], series: Mapping[str, Sequence[float | None]], label: str) -> str:
    """Return values on axes around a centre, 0 to 1, as an SVG element: one line for each series, in its order.

    Args:
        axes: their names.
        series: name -> a value for each axis; None leaves a gap.
        label: what a screen reader says.
    """
    chart = _pygal().Radar(
        css=[], js=[], disable_xml_declaration=True, width=520, height=440, margin=6, show_legend=False,
        explicit_size=False, pretty_print=False, range=(0, 1), show_y_labels=False, dots_size=3,
        formatter=lambda value: f"{value:.3f}",
    )  # fmt: skip
    chart.uuid = "radar"
    chart.x_labels = list(axes)
    for name, values in series.items():
        told = zip(axes, values, strict=True)
        chart.add(name, [None if v is None else {"value": v, "label": f"{name}: {axis} {v:.3f}"} for axis, v in told])
    chart.add_xml_filter(lambda root: _bare(root, label))
    text: str = chart.render(is_unicode=True)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


@cache
def _pygal() -> Any:
    """Return pygal without the import hook it leaves for its plugins, which Python has no use for since 3.4."""
    import pygal

    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__name__ != "PluginImportFixer"]
    return pygal


def _whole(value: object) -> str:
    """Return a count; half a clip is no line that a reader needs."""
    return f"{value:,.0f}" if isinstance(value, (int, float)) and value == int(value) else ""


def _told(value: object) -> str:
    return number_of(value) if isinstance(value, (int, float)) else ""


def _bar(height: int, span: tuple[float, float], all_: int, dropped: int) -> dict[str, object]:
    words = f"{number_of(span[0])} to {number_of(span[1])}: {count_of(all_, 'clip')}, {dropped:,} of them dropped"
    return {"value": (height, *span), "label": words}


def _bare(root: Xml.Element, label: str) -> Xml.Element:
    """Take out styles, scripts and what only they read; what a bar says becomes its title."""
    for holder in list(root.iter()):
        for child in list(holder):
            if _tells(child):
                child.tag = f"{SVG}title"
                child.attrib.clear()
            elif _is_extra(holder, child, root):
                holder.remove(child)
    for one in root.iter():
        for name in ("style", "id"):
            one.attrib.pop(name, None)
        for name in ("x", "y", "width", "height", "d", "transform"):
            if name in one.attrib:
                one.set(name, re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.4g}", one.attrib[name]))
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", label)
    return root


def _name(element: Xml.Element) -> str:
    return str(element.tag).removeprefix(SVG)


def _tells(child: Xml.Element) -> bool:
    return _name(child) == "desc" and "label" in child.get("class", "").split() and bool(child.text)


def _is_extra(holder: Xml.Element, child: Xml.Element, root: Xml.Element) -> bool:
    kind, name = child.get("class", ""), _name(child)
    if name == "title":
        return holder is root or "guides" in holder.get("class", "")
    return name in ("defs", "script", "style", "desc") or "overlay" in kind or kind == "titles"
