"""How the page of the study says numbers: points with their intervals, lists in sentences, tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from _study_statistics import Difference


def said(one: Difference) -> str:
    """Return a difference in points (hundredths) with its interval."""
    return f"{100 * one.value:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"


def cell_of(one: Difference | None) -> str:
    """Return a difference for a table, bold where it is outside the spread."""
    if one is None:
        return "not trained"
    return f"**{said(one)}**" if one.outside else said(one)


def verdict_on(one: Difference) -> str:
    """Return whether a difference is outside the spread, in words."""
    return "outside the spread of seeds" if one.outside else "inside the spread of seeds"


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1] if names else ""])) or "none"


def percents(shares: Sequence[int]) -> str:
    """Return shares as percents in a sentence."""
    return listed([f"{share} %" for share in shares])


def table_in(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread_of(values: Sequence[float]) -> str:
    """Return mean and standard deviation in points."""
    many = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.1f}{many}"
