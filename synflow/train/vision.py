"""Outputs of the frozen vision tower on disk: a clip that was seen once is not seen again, whichever pair shows it.

A file holds one clip and is named by the digest of its pictures; the folder is named by the tower and by how large
pictures may be. A file is there whole or not at all, and may be removed at any time.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synflow.durable import make_folder, told
from synflow.ids import digest_of

NAMES = {"float32": np.float32, "bfloat16": np.uint16}
"""How numbers are kept; numpy has no bfloat16, whose bits are kept as they are."""


@dataclass(frozen=True)
class VisionCache:
    """Outputs of one tower.

    Attributes:
        folder: of this tower. dtype: ``float32`` or ``bfloat16``.
    """

    folder: Path
    dtype: str

    @classmethod
    def of(cls, folder: Path, tower: dict[str, Any], dtype: str) -> VisionCache:
        """Return the cache of a tower, known by what ``tower`` tells of it."""
        return cls(folder / digest_of({**tower, "dtype": dtype})[:16], dtype)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def get(self, key: str) -> tuple[tuple[int, int, int], npt.NDArray[Any]] | None:
        """Return grid and outputs ``[tokens, hidden]`` of a clip; None where it was not seen, or its file is torn."""
        try:
            data = np.load(self._path(key), allow_pickle=False)
            grid = data["grid"][0]
            seen = np.ascontiguousarray(data["seen"][0])
        except (OSError, ValueError, KeyError, IndexError, EOFError):
            return None
        return (int(grid[0]), int(grid[1]), int(grid[2])), seen

    def put(self, key: str, grid: tuple[int, int, int], seen: npt.NDArray[Any]) -> None:
        """Keep the outputs of a clip."""
        path = self._path(key)
        make_folder(path.parent)
        record = np.zeros(1, np.dtype([("grid", np.int64, (3,)), ("seen", NAMES[self.dtype], seen.shape)]))
        record["grid"][0], record["seen"][0] = grid, seen
        staged = path.with_name(f"{uuid.uuid4().hex}.staged")
        with told(path):
            try:
                with staged.open("wb") as file:
                    np.save(file, record)
                staged.replace(path)
            finally:
                staged.unlink(missing_ok=True)
