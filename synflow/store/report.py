"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from synflow.ids import digest_stream
from synflow.store.receipts import ObjectRef


@dataclass(frozen=True)
class Finding:
    """One thing found: where, and what is wrong with it."""

    path: str
    what: str


@dataclass
class VerifyReport:
    """What a verification found.

    Attributes:
        damage: bytes that are missing or not as promised; accounts: numbers that do not add up, pairs that stand
            twice. Either makes the run unsound.
        litter: files that nothing refers to; harmless.
        objects, bytes: how much was re-hashed.
        complete: whether the run has its ``dataset.json``.
    """

    damage: list[Finding] = field(default_factory=list)
    litter: list[Finding] = field(default_factory=list)
    accounts: list[Finding] = field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    complete: bool = False

    @property
    def sound(self) -> bool:
        """Whether all that readers believe is as promised."""
        return not self.damage and not self.accounts


def check_file(path: Path, ref: ObjectRef) -> str:
    """Return what is wrong with a file that should be as ``ref`` says; empty when nothing is."""
    try:
        with path.open("rb") as stream:
            found, size = digest_stream(stream)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if size != ref.bytes:
        return f"has {size} bytes, promised {ref.bytes}"
    return "" if found == ref.sha256 else "has other bytes than promised"


def names_in(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; nothing where there is no folder."""
    return sorted(folder.iterdir()) if folder.is_dir() else []
