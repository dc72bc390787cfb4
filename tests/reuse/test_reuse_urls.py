"""Videos behind URLs are fetched again only where their pictures are needed, and a changed one is found out then."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.manifest import load_manifest
from synflow.world.render import render_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STAGES: list[Any] = [
    {"validate": {"min_short_side": 96}},
    "shots",
    "quality",
    "dynamics",
    "dedup",
    {"enrich": {"captions": 1}},
]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and notes what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        Handler.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A folder with clips, of which some are static, and a list of their URLs."""
    folder = tmp_path / "world"
    render_world(folder, clips=5, seed=11, defects=0.4, workers=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lines = [json.loads(line) for line in (folder / "videos.jsonl").read_text().splitlines()]
    where = f"http://127.0.0.1:{server.server_port}"
    text = [json.dumps({"id": one["id"], "url": f"{where}/{one['path']}", "caption": one["caption"]}) for one in lines]
    (folder / "urls.jsonl").write_text("\n".join(text) + "\n")
    yield folder
    server.shutdown()
    server.server_close()


def test_urls_are_fetched_only_where_pictures_are_needed(served: Path, tmp_path: Path) -> None:
    path = write_manifest(
        tmp_path / "manifest.yaml", served / "urls.jsonl", stages=STAGES, download={"allow_private": True}
    )

    def made(name: str, *sets: str, reuse: Path | None = None) -> tuple[bytes, list[str]]:
        Handler.asked = []
        assert engine.run(load_manifest(path, sets), tmp_path / name, reuse=reuse).complete
        return (tmp_path / name / "dataset.json").read_bytes(), sorted(Handler.asked)

    old = tmp_path / "old"
    first, fetched = made("old")
    assert len(fetched) == 5
    assert made("same", reuse=old) == (first, [])
    static = [
        row["source_uri"]
        for row in pq.read_table(old / "index/rejects.parquet").to_pylist()
        if row["reason"] == "static-clip"
    ]
    assert static
    loose = ["dynamics.min_residual=0.0", "dynamics.min_changed=0.0", "dynamics.min_busy=0.0"]
    plain, _ = made("plain", *loose)
    assert made("loose", *loose, reuse=old) == (plain, sorted("/" + uri.split("/", 3)[3] for uri in static))
    # Another video stands there now: what was known of the old one is forgotten.
    changed, other = (served / uri.split("/", 3)[3] for uri in (static[0], sorted({*fetched_uris(old)} - {*static})[0]))
    changed.write_bytes(other.read_bytes())
    plain, _ = made("plain-2", *loose)
    assert made("loose-2", *loose, reuse=old)[0] == plain
    changed.unlink()
    plain, _ = made("plain-3", *loose)
    assert made("loose-3", *loose, reuse=old)[0] == plain


def fetched_uris(out: Path) -> list[str]:
    return [row["source_uri"] for row in pq.read_table(out / "index/clips.parquet").to_pylist()]
