"""What all parts of a manifest share: strictness, and the spelling of sizes, addresses and times."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_SIZE = re.compile(r"\s*(\d{1,15})(?:\.(\d{1,6}))?\s*([kmgt]i?b|b)?\s*", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{kind}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for kind, base in (("b", 1000), ("ib", 1024))
}


def bytes_of(value: object) -> object:
    """Return the bytes that a size such as ``512MiB`` or ``1.5GB`` stands for; other values as they are."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("must be a size such as 512MiB, 2GiB or a number of bytes")
    unit = _UNITS[(match[3] or "").lower()]
    return int(match[1]) * unit + int(int(match[2] or 0) * unit / 10 ** len(match[2] or ""))


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("must not hold credentials; name them: api_key: {env: NAME}")
    return value.rstrip("/")


Size = Annotated[int, BeforeValidator(bytes_of, json_schema_input_type=int | str)]
Address = Annotated[str, AfterValidator(_web_address)]
Addresses = Annotated[
    tuple[Address, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str]), Field(min_length=1)
]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class Part(BaseModel):
    """Base of all parts of a manifest: frozen, no unknown keys.

    Attributes:
        operational: fields that do not determine a byte of the output (addresses, secrets, speed).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    operational: ClassVar[frozenset[str]] = frozenset()

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine the output, as JSON."""
        return self.model_dump(mode="json", exclude=set(self.operational))
