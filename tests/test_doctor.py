"""What the doctor sees, and what it says where something is missing."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from synflow import doctor
from synflow.cli import main


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one model to those who know the key."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "Bearer secret"
        self.send_response(200 if known else 401)
        self.end_headers()
        listed = [{"id": "the-model", "max_model_len": 4096}]
        self.wfile.write(json.dumps({"data": listed}).encode() if known else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/v1"
        served.shutdown()
        thread.join()


def test_endpoints_are_asked_with_the_key_that_is_named(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"use": "openai_http", "base_url": [server], "model": "the-model", "api_key": {"env": "DOCTOR_KEY"}}
    ask = lambda **changes: next(doctor.endpoints({"vlm": {**spec, **changes}}))  # noqa: E731
    monkeypatch.setenv("DOCTOR_KEY", "secret")
    assert ask().state == "ok" and "serves the-model" in ask().found
    wrong = ask(model="other")
    assert (wrong.state, wrong.remedy) == ("warn", "correct models.vlm.model in the manifest")
    assert wrong.found.endswith("serves the-model, not other")
    monkeypatch.delenv("DOCTOR_KEY")
    assert ask().state == "missing" and "401" in ask().found
    assert "secret" not in repr(ask())
    assert list(doctor.endpoints({"vlm": {"use": "signals"}})) == []


def test_an_endpoint_that_is_not_there() -> None:
    gone = doctor.endpoint("embed", "http://127.0.0.1:9/v1", "m", "")
    assert gone.state == "missing" and "models.embed.base_url" in gone.remedy
    assert doctor.endpoint("vlm", "file:///etc/passwd", "m", "").found == "file:///etc/passwd is no http address"


def test_an_endpoint_whose_context_is_too_short_is_warned_of(server: str) -> None:
    short = doctor.endpoint("vlm", server, "the-model", "secret", tokens=4097)
    assert (short.state, "takes 4,096 tokens" in short.found) == ("warn", True)
    assert "max_model_len" in short.remedy
    assert doctor.endpoint("vlm", server, "the-model", "secret", tokens=4096).state == "ok"


@pytest.mark.parametrize(
    ("version", "state"), [("0.28.1", "warn"), ("0.29.0", "ok"), ("0.32.0+cpu", "ok"), ("1.0", "ok")]
)
def test_a_vllm_that_is_too_old_is_warned_of(monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda name: version)
    assert doctor.vllm().state == state


def test_limits_of_a_control_group(tmp_path: Path) -> None:
    assert doctor.cpu_quota(tmp_path) is None and doctor.memory_limit(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor.cpu_quota(tmp_path) == 1.5 and doctor.memory_limit(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("2147483648\n")
    assert doctor.cpu_quota(tmp_path) is None and doctor.memory_limit(tmp_path) == 2 << 30
    old = tmp_path / "old"
    (old / "cpu").mkdir(parents=True)
    (old / "memory").mkdir()
    (old / "cpu/cpu.cfs_quota_us").write_text("-1")
    (old / "cpu/cpu.cfs_period_us").write_text("100000")
    (old / "memory/memory.limit_in_bytes").write_text("9223372036854771712")
    assert doctor.cpu_quota(old) is None and doctor.memory_limit(old) is None


def test_small_things_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.shared_memory(tmp_path / "none").state == "warn"
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (1024, 4096))
    assert doctor.open_files().remedy == "raise it: ulimit -n 65536"
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda _: {0})
    assert doctor.cpus().state == "warn"
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    assert doctor.gpu().state == "missing" and not doctor.gpu().needed
    assert doctor.library("no-such-library", "models").remedy == "optional: pip install 'synflow[models]'"
    assert doctor.disk(tmp_path / "a/b").found.endswith(f"free at {tmp_path}")


def test_a_library_that_crashes_does_not_take_the_doctor_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CODEC_PROGRAM", "import os; os.abort()")
    broken = doctor.codecs()
    assert broken.state == "missing" and broken.needed and "ended with code" in broken.found
    monkeypatch.setattr(doctor, "RAY_PROGRAM", "raise SystemExit('no redis')")
    assert doctor.ray().found == "does not start: no redis"
    monkeypatch.setattr(doctor, "CHILD_SECONDS", 0.2)
    monkeypatch.setattr(doctor, "RAY_PROGRAM", "import time; time.sleep(60)")
    assert "no answer in" in doctor.ray().found


def test_the_decoder_is_found() -> None:
    check = doctor.codecs()
    assert check.state == "ok" and "h264 hevc vp9 av1" in check.found


def test_the_report_as_lines_and_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "codecs", lambda: doctor.Check("Decoder", "missing", "gone", "get it", needed=True))
    monkeypatch.setattr(doctor, "ray", lambda: doctor.Check("Ray", "ok", "2"))
    assert main(["doctor"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and "missing  Decoder" in err and "get it" in err
    assert main(["doctor", "--json"]) == 3
    checks = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in checks} >= {
        "CPUs",
        "Memory",
        "Disk",
        "Decoder",
        "GPU",
        "Ray",
        "torch",
        "vllm",
        "/dev/shm",
        "Open files",
    }
