"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import pytest

# A shell that starts tests in the background has them ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Not in every environment. A deadline would judge how crowded the machine is.
with suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the checkout; tests that want it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "videos.jsonl").is_file():
        pytest.skip("real clips (../shared/data) are absent")
    return folder
