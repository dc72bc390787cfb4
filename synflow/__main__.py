"""``python -m synflow`` is the same as ``synflow``."""

from __future__ import annotations

import sys

from synflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
