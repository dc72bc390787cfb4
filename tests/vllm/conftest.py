"""Two real servers of a tiny Qwen2.5-VL for the whole session, started and ended by the code that users run."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synflow.asks import Vlm
from synflow.models.contract import open_vlm, start_engines
from synflow.models.vllm_options import server_flags
from synflow.models.vllm_server import Place, Servers
from synflow.world.render import render_world

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "models")]

# The CPU build cannot take back a seeded draw, which a prompt that is read in parts needs: hence no chunked prefill.
ENGINE: dict[str, Any] = {
    "enforce_eager": True, "block_size": 32, "max_num_seqs": 8, "enable_chunked_prefill": False,
    "max_num_batched_tokens": 8192, "mm_processor_cache_gb": 1,
}  # fmt: skip


REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "videos.jsonl"
"""The list of the real clips beside the checkout, where they are."""


def spec(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "dtype": "float32", "max_model_len": 8192, "engine": ENGINE, **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, environment: None) -> str:
    from synflow.train.tiny import make

    return str(make(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def servers(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    places = [Place("127.0.0.1", free_port()) for _ in range(2)]
    started = Servers(server_flags(spec(tiny), 16), tiny, places, tmp_path_factory.mktemp("logs"))
    try:
        started.wait(600)
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def served(servers: Servers, tiny: str) -> Vlm:
    """Both servers as a run has them."""
    urls = [one.place.url for one in servers.all]
    return open_vlm({"use": "openai_http", "base_url": urls, "model": tiny, "concurrency": 4})


@pytest.fixture(scope="session")
def engine(tiny: str) -> Iterator[Vlm]:
    """One engine in its actor."""
    entry = {"use": "vllm_engine", **spec(tiny, replicas=1, gpus=0, concurrency=4, run="test", frames=16)}
    started = start_engines({"vlm": entry})
    assert started is not None
    with started:
        yield open_vlm(entry)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of six clips: the smallest real ones where they are at hand, else rendered ones."""
    folder = tmp_path_factory.mktemp("clips")
    if not REAL.is_file():
        render_world(folder, 6, 3, 0.0)
        return folder / "videos.jsonl"
    records = [json.loads(line) for line in REAL.read_text().splitlines()]
    records = [{**record, "path": str(REAL.parent / record["path"])} for record in records]
    records.sort(key=lambda record: Path(record["path"]).stat().st_size)
    (folder / "videos.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records[:6]))
    return folder / "videos.jsonl"
