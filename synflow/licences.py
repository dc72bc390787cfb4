"""Which of two licences binds more: the licence of a pair is the most restrictive of those of its sources.

The rule is the order in `ORDER` and nothing else. Within Creative Commons it is the order in which the organisation
itself lists its licences, from the most to the least permissive (https://creativecommons.org/share-your-work/cclicenses/);
of one kind, a later version stands after an earlier one. It decides which name a pair carries; it is no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

UNKNOWN = "unknown"

ORDER: tuple[tuple[str, ...], ...] = (
    ("CC0-1.0", "PDDL-1.0", "CC-PDDC", "Unlicense", "0BSD", "MIT-0"),
    ("MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0"),
    ("ODC-By-1.0", "CC-BY-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0"),
    ("CDLA-Sharing-1.0", "ODbL-1.0", "CC-BY-SA-1.0", "CC-BY-SA-2.0", "CC-BY-SA-2.5", "CC-BY-SA-3.0", "CC-BY-SA-4.0"),
    ("CC-BY-NC-1.0", "CC-BY-NC-2.0", "CC-BY-NC-2.5", "CC-BY-NC-3.0", "CC-BY-NC-4.0"),
    ("CC-BY-NC-SA-1.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-2.5", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0"),
    ("CC-BY-ND-1.0", "CC-BY-ND-2.0", "CC-BY-ND-2.5", "CC-BY-ND-3.0", "CC-BY-ND-4.0"),
    ("CC-BY-NC-ND-1.0", "CC-BY-NC-ND-2.0", "CC-BY-NC-ND-2.5", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0"),
)
"""SPDX ids, the least restrictive first: what asks for nothing, for a notice, for credit, for the same licence again,
no commerce, both, no derivatives, neither. After them stands any licence that is not listed, and last `unknown`."""

NOT_KNOWN = frozenset({"", "unknown", "noassertion", "none", "n/a", "other"})
"""Names that say that nobody knows; SPDX's own among them."""

_DEED = re.compile(r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)(?:/.*)?")


def spdx(name: str) -> str:
    """Return the SPDX id that a licence is written for, where it is a listed one; else the name as it is.

    Case does not matter, nor do blanks for hyphens (``CC BY 4.0``); the address of a Creative Commons deed is read.
    """
    plain = "-".join(name.split())
    deed = _DEED.fullmatch(plain.lower())
    if deed:
        kind = "cc0" if deed[1] == "publicdomain" and deed[2] == "zero" else f"cc-{deed[2]}"
        plain = f"{kind}-{deed[3]}"
    return _places().get(plain.lower(), (0, name))[1]


def strictest(names: Iterable[str]) -> str:
    """Return the licence that holds for something made of sources under ``names``; `UNKNOWN` for nothing.

    Two different ones that are not listed cannot be compared: then both hold, as SPDX writes it, ``A AND B``.
    """
    found = [UNKNOWN if name.strip().lower() in NOT_KNOWN else spdx(name.strip()) for name in names]
    if not found or UNKNOWN in found:
        return UNKNOWN
    strange = sorted({name for name in found if name.lower() not in _places()})
    return " AND ".join(strange) if strange else max(found, key=lambda name: _places()[name.lower()][0])


def is_listed(name: str) -> bool:
    """Tell whether a name is the SPDX id of a licence that the order has."""
    return _places().get(name.lower(), (0, ""))[1] == name


@cache
def _places() -> dict[str, tuple[int, str]]:
    """Return place and spelling of each listed licence, by its name in lower case."""
    listed = (name for kind in ORDER for name in kind)
    return {name.lower(): (place, name) for place, name in enumerate(listed)}
