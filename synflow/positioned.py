"""A read-only stream of known length that can be sought in."""

from __future__ import annotations

import io


class Positioned(io.RawIOBase):
    """Keeps the position; what derives from it sets ``size``, and reads at ``_at``.

    Attributes:
        size: bytes.
    """

    size = 0
    _at = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be sought in."""
        return True

    def tell(self) -> int:
        """Return the position from the start."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset``; like a file, past the end is legal and reads nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}.get(whence)
        if base is None or base + offset < 0:
            raise OSError(22, "invalid seek")
        self._at = base + offset
        return self._at
