"""Models without weights: classical computer vision that says only what it measured."""

from __future__ import annotations
