"""Templates, style and script of the report and of the web page; strange text is escaped and made safe in one place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from synflow.console import clean, duration_of, number_of, size_of

if TYPE_CHECKING:
    from jinja2 import Environment

TEXT_LIMIT = 1200
"""Characters of a text that are shown at once."""


@cache
def static(name: str) -> str:
    """Return a file of ``static/``."""
    return files("synflow.inspect").joinpath("static", name).read_text(encoding="utf-8")


def environment(picture: Callable[..., str], chart: Callable[..., str]) -> Environment:
    """Return the templates; everything that a template prints is escaped unless it is our own SVG.

    Args:
        picture: gives the address of a sheet.
        chart: draws a histogram as SVG.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    shown = Environment(
        loader=PackageLoader("synflow.inspect"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown.filters.update(
        safe_text=safe_text,
        with_code=with_code,
        number=number_of,
        seconds=duration_of,
        size=size_of,
        count=lambda value: f"{value:,}",
        percent=percent,
    )
    shown.globals.update(picture=picture, chart=lambda *args, **more: Markup(chart(*args, **more)))
    return shown


def safe_text(value: Any, limit: int = TEXT_LIMIT) -> str:
    """Return a strange text on one line, without anything that turns the direction of what follows; see `clean`."""
    return clean(str(value), limit)


def with_code(value: str) -> Any:
    """Return one of our own sentences as HTML, what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = value.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def percent(part: float, whole: float = 1.0) -> str:
    """Return a share in per cent, ``0.4 %``."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"
