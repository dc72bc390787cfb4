"""Files that parameters of stages name: found from the manifest, known by what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from synflow.errors import UsageError
from synflow.ids import digest


class NamedFile(BaseModel):
    """A file that a parameter names. A run is bound to what is in it, not to where it lies.

    Attributes:
        path: as the manifest writes it, relative to the manifest; absolute once the manifest is read.
        sha256: of its bytes; taken when the manifest is read, unless it is given.
        lines: lines in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    sha256: str = ""
    lines: int = 0

    @property
    def name(self) -> str:
        """The last part of the path."""
        return Path(self.path).name

    def opened(self, folder: Path) -> NamedFile:
        """Return it with an absolute path, and with digest and lines of what is there.

        Raises:
            UsageError: the file cannot be read, or is not the one that ``sha256`` asks for.
        """
        found = self.model_copy(update={"path": str(Path(folder, self.path))})
        data = found.read()
        return found.model_copy(update={"sha256": digest(data), "lines": len(data.splitlines())})

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            UsageError: it cannot be read, or has changed.
        """
        try:
            data = Path(self.path).read_bytes()
        except (OSError, ValueError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"{self.path}: the file cannot be read: {cause}", "the manifest names it") from error
        if self.sha256 and digest(data) != self.sha256:
            raise UsageError(f"{self.path} is not the file that the run is bound to", "put back the one that it was")
        return data


DataFile = Annotated[
    NamedFile,
    BeforeValidator(
        lambda value: {"path": value} if isinstance(value, str) else value, json_schema_input_type=str | dict[str, Any]
    ),
]
"""A parameter that names a file; a manifest gives its path. Lists of them are tuples of `DataFile`."""


def portable(config: Any) -> Any:
    """Return parameters (JSON) without the folders of the files that they name: what a step is known by."""
    if isinstance(config, Mapping):
        if set(config) == set(NamedFile.model_fields):
            return {"name": Path(config["path"]).name, "sha256": config["sha256"]}
        return {name: portable(value) for name, value in config.items()}
    return [portable(value) for value in config] if isinstance(config, (list, tuple)) else config
