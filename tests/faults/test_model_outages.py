"""Wrong servers, and servers that go away while a run needs them: `synflow run` as a user sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from model_faults import FaultyServer, serving, status

from synflow.world.render import render_world

CLIPS = 8
KEY = "SYNFLOW_TEST_MODEL_KEY"
SECRET = "sk-5up3r-53cr3t"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_world(folder, CLIPS, 5, 0.0)
    return folder / "videos.jsonl"


def manifest(folder: Path, clips: Path, url: str, **vlm: Any) -> Path:
    path = folder / "m.yaml"
    value = {
        "version": 1, "name": "outages", "inputs": [{"clips": str(clips)}], "shard_clips": 4,
        "executor": {"use": "serial"}, "media": {"frames": 2, "short_side": 64},
        "models": {"vlm": {"use": "openai_http", "base_url": url, "model": "tiny", "timeout": 5.0, "concurrency": 8,
                           "probe_every": 0.05, "probes": 3, **vlm}},
        "stages": [{"validate": {"min_short_side": 100}}, "enrich", "expand"],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(value))
    return path


def synflow(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synflow", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def told(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """Make sure that a command ended with a code, and named a cause and a remedy instead of a traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr and "remedy: " in done.stderr
    assert all(part in " ".join(done.stderr.split()) for part in parts), done.stderr


def dataset(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "dataset.json").read_bytes()))


def journalled(run: Path) -> Counter[str]:
    """Return how often each request is answered in the journals of a run."""
    lines = [line for path in run.glob("journal/*/*") for line in path.read_bytes().splitlines()]
    return Counter(json.loads(line)["request"] for line in lines if b'"answer"' in line)


def faults(run: Path) -> list[set[str]]:
    """Return the reasons of each clip for which whole answers were of no use."""
    told = [dict(row["measures"]) for row in pq.read_table(run / "index" / "clips.parquet").to_pylist()]
    whole = ("request-refused", "timeout", "server-error", "bad-reply", "reset", "answer-schema", "answer-truncated")
    return [{reason for reason in whole if measures.get(f"enrich.fault.{reason}")} for measures in told]


@pytest.fixture(scope="module")
def untroubled(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("calm")
    with serving() as server:
        done = synflow("run", str(manifest(folder, clips, server.url)), "--out", str(folder / "run"))
    assert done.returncode == 0, done.stderr
    return dataset(folder / "run")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_endpoint_is_told_before_anything_is_done(clips: Path, tmp_path: Path) -> None:
    path = manifest(tmp_path, clips, f"http://127.0.0.1:{free_port()}/v1")
    told(synflow("run", str(path), "--out", str(tmp_path / "run")), 3, "reset", "127.0.0.1")
    assert not list(tmp_path.glob("run/receipts/*/*"))


def test_a_model_that_is_not_served_is_told_with_those_that_are(clips: Path, tmp_path: Path) -> None:
    with serving() as server:
        path = manifest(tmp_path, clips, server.url, model="huge")
        told(synflow("run", str(path), "--out", str(tmp_path / "run")), 2, "does not serve 'huge'", "(tiny)")
        assert server.calls == 0


class Locked(FaultyServer):
    """Wants a key, for its list of models as well."""

    def admits(self, key: str) -> bool:
        return key == f"Bearer {SECRET}"


def test_a_key_that_is_missing_or_wrong_is_told(clips: Path, tmp_path: Path) -> None:
    with serving(kind=Locked) as server:
        run = ("--out", str(tmp_path / "run"))
        told(synflow("run", str(manifest(tmp_path, clips, server.url)), *run), 2, "refuses the key", "api_key.env")
        keyed = str(manifest(tmp_path, clips, server.url, api_key={"env": KEY}))
        told(synflow("run", keyed, *run), 2, KEY, "is not set")
        told(synflow("run", keyed, *run, **{KEY: "wrong"}), 2, "refuses the key")
        assert server.calls == 0
        done = synflow("run", keyed, *run, **{KEY: SECRET})
        assert done.returncode == 0, done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


class Choosy(FaultyServer):
    """Refuses the schemas of some prompts, as a server does whose grammar cannot hold them."""

    refused: frozenset[str] = frozenset()

    def strikes(self, body: bytes) -> bool:
        self.calls += 1
        return json.loads(body)["response_format"]["json_schema"]["name"] in self.refused


GRAMMAR = status(400, b'{"error": {"message": "Grammar error: unimplemented keys"}}')


def test_a_schema_that_the_server_refuses_costs_its_texts_alone(
    clips: Path, tmp_path: Path, untroubled: dict[str, Any]
) -> None:
    with serving(GRAMMAR, kind=Choosy) as server:
        assert isinstance(server, Choosy)
        server.refused = frozenset({"frame-captions"})
        path = manifest(tmp_path, clips, server.url, attempts=2)
        done = synflow("run", str(path), "--out", str(tmp_path / "run"))
        assert done.returncode == 0, done.stderr
        assert dataset(tmp_path / "run")["pairs"]["t2v"] == untroubled["pairs"]["t2v"] > 0
        # Each clip lacks the captions of its key frame for that reason, and no others.
        assert faults(tmp_path / "run") == [{"request-refused"}] * CLIPS
        # A server that takes the schema gets those requests again, and no others.
        server.refused = frozenset()
        answered = journalled(tmp_path / "run")
        calls = server.calls
        again = synflow("run", str(path), "--out", str(tmp_path / "other"), "--reuse", str(tmp_path / "run"))
        assert again.returncode == 0, again.stderr
    assert dataset(tmp_path / "other") == untroubled
    assert server.calls - calls == sum(journalled(tmp_path / "other").values()) - sum(answered.values())


def test_a_server_that_refuses_every_schema_stops_the_run(clips: Path, tmp_path: Path) -> None:
    with serving(GRAMMAR, kind=Choosy) as server:
        assert isinstance(server, Choosy)
        server.refused = frozenset({"video-captions", "frame-captions", "composed-video", "composed-image"})
        path = manifest(tmp_path, clips, server.url, attempts=2)
        done = synflow("run", str(path), "--out", str(tmp_path / "run"))
    told(done, 3, "refuses every request", "Grammar error", "synflow resume")


class Server:
    """A server in a process of its own, which can be killed and started again at its address.

    Attributes:
        answered: a file with a line for each sound answer that it gave.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.answered = folder / "answered"
        self.answered.touch()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        script = Path(__file__).with_name("model_faults.py")
        self.process = subprocess.Popen([sys.executable, str(script), str(self.port), str(self.answered)])
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("the server does not come up")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def lines(self) -> list[str]:
        return self.answered.read_text().splitlines()

    def wait_for(self, answers: int) -> None:
        until = time.monotonic() + 240
        while len(self.lines()) < answers and time.monotonic() < until:
            time.sleep(0.005)
        assert len(self.lines()) >= answers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    one.start()
    yield one
    one.kill()


def begun(path: Path, run: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "synflow", "run", str(path), "--out", str(run)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_server_that_dies_mid_run_ends_it_resumably_and_nothing_is_lost(
    clips: Path, tmp_path: Path, server: Server, untroubled: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    with begun(manifest(tmp_path, clips, server.url), run) as child:
        server.wait_for(10)
        server.kill()
        _, said = child.communicate(timeout=240)
    told(subprocess.CompletedProcess([], child.returncode, "", said), 3, "synflow resume")
    kept, paid = journalled(run), len(server.lines())
    assert paid > 0 and not (run / "dataset.json").exists()
    # At the moment of the kill an answer may be on its way, and lost, or have arrived before the server noted it; there
    # are at most as many as in flight.
    assert abs(paid - sum(kept.values())) <= 8
    server.start()
    done = synflow("resume", str(run))
    assert done.returncode == 0, done.stderr
    assert dataset(run) == untroubled
    after = journalled(run)
    assert set(after.values()) == {1} and set(kept) <= set(after)
    # What was answered before is not asked again.
    assert len(server.lines()) - paid == len(after) - len(kept)


def test_a_server_that_comes_back_is_found_by_a_probe(
    clips: Path, tmp_path: Path, server: Server, untroubled: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    with begun(manifest(tmp_path, clips, server.url, probe_every=0.25, probes=200), run) as child:
        server.wait_for(10)
        server.kill()
        time.sleep(1.0)
        assert child.poll() is None
        server.start()
        _, said = child.communicate(timeout=240)
    assert child.returncode == 0, said
    assert dataset(run) == untroubled
    assert set(journalled(run).values()) == {1}
