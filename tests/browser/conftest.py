"""A real browser, the report as a file, and the web page served by the command as a user would start it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from browser_server import served
from handmade import WHOLE_ROAD

sync_api = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is not installed")

WIDTHS = (360, 1440)


def chromium() -> str:
    """Return Debian's Chromium, or what CHROMIUM names; skip where there is none."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("there is no Chromium: apt-get install chromium, or set CHROMIUM")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page whose console and requests are written down."""

    page: object
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width}px")
def watched(browser: object, request: pytest.FixtureRequest) -> Iterator[Watched]:
    width = request.param
    scheme = "dark" if width == 360 else "light"
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[attr-defined]
    found = Watched(context.new_page())
    page = found.page
    page.on("console", lambda one: found.errors.append(one.text) if one.type in ("error", "warning") else None)  # type: ignore[attr-defined]
    page.on("pageerror", lambda one: found.errors.append(str(one)))  # type: ignore[attr-defined]
    page.on("request", lambda one: found.requests.append(one.url))  # type: ignore[attr-defined]
    yield found
    context.close()
    assert not found.errors, found.errors
    outside = [url for url in found.requests if not re.match(r"data:|file:///|http://127\.0\.0\.1:", url)]
    assert not outside, outside


def synflow(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "synflow", *arguments], cwd=folder, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run: mp4 for videos, some clips with defects."""
    folder = tmp_path_factory.mktemp("seen")
    synflow(folder, "world", "world", "--clips", "10", "--defects", "0.4", "--seed", "11")
    lines = [f"  - {name}: {{{'min_short_side: 144' if name == 'validate' else ''}}}" for name in WHOLE_ROAD]
    (folder / "manifest.yaml").write_text(
        "version: 1\nname: seen\nseed: 3\ninputs: [{clips: world/videos.jsonl, licence: CC-BY-4.0}]\noutput: run\n"
        "executor: {use: serial}\nmodels: {vlm: {use: signals}, embed: {use: signals}}\nmedia: {video: clip}\nstages:\n"
        + "\n".join(lines)
    )
    synflow(folder, "run", "manifest.yaml")
    synflow(folder, "inspect", "run", "--html", "report.html")
    return folder / "run"


@pytest.fixture(scope="session")
def address(run: Path) -> Iterator[str]:
    """The address of the page of the run."""
    with served(run, "--against", str(run)) as first:
        yield first
