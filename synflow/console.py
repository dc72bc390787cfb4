"""Text for people: strange text made safe, numbers with their units, and the two consoles.

Captions, file names and errors come from strangers. Before any of it reaches a terminal it goes through `clean`,
and it is printed as plain text, never as markup.
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

JOINERS = "\u200c\u200d"
"""Zero-width joiners: format characters that Persian, Indic scripts and emoji cannot do without."""

MARKS_IN_A_ROW = 2
"""Combining marks shown on one letter; more of them climb over the neighbouring lines."""


def clean(text: str, limit: int = 400) -> str:
    r"""Return ``text`` on one line, with nothing in it that a terminal would obey.

    White space becomes single spaces. Control, bidirectional-override and other invisible characters are spelled
    out (``\x1b``, ``\u202e``). At most ``limit`` characters are kept; what is left out is counted in words.
    """
    window = text[: 8 * limit]
    line, marks = [], 0
    for char in " ".join(window.split()):
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks > MARKS_IN_A_ROW:
            continue
        hidden = kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char not in JOINERS
        line.append(char.encode("ascii", "backslashreplace").decode() if hidden and ord(char) > 126 else char)
        if kind == "Cc" and ord(char) < 128:
            line[-1] = f"\\x{ord(char):02x}"
    shown = "".join(line)
    if len(shown) <= limit and len(window) == len(text):
        return shown
    kept = shown[:limit].rstrip()
    more = max(0, len(text.split()) - len(kept.split()))
    return f"{kept}… (+{count_of(more, 'word')})" if more else f"{kept}…"


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return ``number`` with its noun, for example ``1,024 pairs``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number_of(value: float) -> str:
    """Return a measure with as many digits as help: ``0.0312``, ``14.2``, ``1,920``."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def size_of(size: float) -> str:
    """Return a number of bytes in binary units, for example ``12.3 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def duration_of(seconds: float) -> str:
    """Return a length of time in its two largest units, for example ``3 min 20 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def listed(counts: Mapping[str, int], limit: int = 8) -> str:
    """Return counts in one line, ``t2v 420 · t2i 96``, at most ``limit`` of them."""
    parts = [f"{name} {number:,}" for name, number in list(counts.items())[:limit]]
    rest = len(counts) - limit
    return " · ".join([*parts, f"{rest} more"] if rest > 0 else parts)


def people(stream: TextIO | None = None) -> Console:
    """Return the console for people: stderr unless told, no markup, no guessing at colours of numbers."""
    from rich.console import Console

    return Console(file=stream or sys.stderr, markup=False, highlight=False, emoji=False)
