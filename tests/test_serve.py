from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from synflow.checkpoints import CHECKPOINTS, film_tokens, full_name, picture_tokens, seen_size
from synflow.cli import main
from synflow.commands.serve import places_of, with_gpus
from synflow.errors import UsageError
from synflow.manifest import parse_manifest
from synflow.models.vllm_options import release_of, server_flags
from synflow.models.vllm_server import Place

FAKE = """#!{python}
import json, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
model, flags = sys.argv[2], sys.argv[3:]
if model == "broken":
    print("ValueError: no such model"); sys.exit(1)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("child.pid", "w").write(str(child.pid))
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data = json.dumps({{"version": "1", "data": [{{"id": model}}]}}).encode()
        self.send_response(200); self.end_headers(); self.wfile.write(data)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("127.0.0.1", int(flags[flags.index("--port") + 1])), Handler).serve_forever()
"""


def manifest(folder: Path, vlm: str) -> Path:
    (folder / "v.jsonl").write_text("")
    path = folder / "m.yaml"
    path.write_text(
        f"version: 1\nname: s\ninputs: [{{clips: v.jsonl}}]\nmodels: {{vlm: {vlm}}}\nstages: [validate, enrich]\n"
    )
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """A `vllm` on the search path that lists its model and has a child, as the real one has."""
    path = tmp_path / "bin" / "vllm"
    path.parent.mkdir()
    path.write_text(FAKE.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_serves_until_interrupted_and_leaves_nothing(tmp_path: Path, fake: dict[str, str]) -> None:
    port = free_port()
    path = manifest(tmp_path, f'{{use: openai_http, base_url: "http://127.0.0.1:{port}/v1", model: qwen2.5-vl-3b}}')
    command = [sys.executable, "-m", "synflow", "serve", str(path), "--logs", str(tmp_path / "logs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
                          env=fake) as process:  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "use: openai_http" in line
        assert f"http://127.0.0.1:{port}/v1" in line
        assert "Qwen/Qwen2.5-VL-3B-Instruct" in line
        child = int((tmp_path / "child.pid").read_text())
        assert not gone(child)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    ends = time.monotonic() + 5
    while not gone(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert gone(child)


def test_a_server_that_does_not_come_up_is_told(tmp_path: Path, fake: dict[str, str]) -> None:
    path = manifest(tmp_path, f'{{use: openai_http, base_url: "http://127.0.0.1:{free_port()}/v1", model: broken}}')
    command = [sys.executable, "-m", "synflow", "serve", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=fake, timeout=60, check=False)
    assert run.returncode == 3
    assert "ValueError: no such model" in run.stderr
    assert "remedy:" in run.stderr


@pytest.mark.parametrize(
    ("vlm", "cause"),
    [
        ("{use: signals}", "signals needs no server"),
        ('{use: openai_http, base_url: "http://10.1.2.3:8000/v1", model: m}', "not on this machine"),
        ('{use: openai_http, base_url: "http://127.0.0.1:1/v1", model: m}', "vLLM is not installed"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vlm: str, cause: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert main(["serve", str(manifest(tmp_path, vlm))]) == 2
    assert cause in capsys.readouterr().err


def test_dry_run_shows_flags_and_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    path = manifest(tmp_path, "{use: vllm_engine, model: qwen2.5-vl-72b, replicas: 2}")
    assert main(["serve", str(path), "--dry-run"]) == 0
    first, second = (json.loads(part) for part in capsys.readouterr().out.replace("}\n{", "}\0{").split("\0"))
    assert (first["url"], first["gpus"]) == ("http://127.0.0.1:8000/v1", "0,1,2,3")
    assert (second["url"], second["gpus"]) == ("http://127.0.0.1:8001/v1", "4,5,6,7")
    flags = first["command"]
    assert flags[:3] == ["vllm", "serve", "Qwen/Qwen2.5-VL-72B-Instruct"]
    value = dict(itertools.pairwise(flags))
    assert json.loads(value["--structured-outputs-config"])["backend"] == "guidance"
    assert json.loads(value["--media-io-kwargs"]) == {"video": {"num_frames": -1}}
    assert json.loads(value["--limit-mm-per-prompt"])["image"] >= 16
    assert value["--tensor-parallel-size"] == "4"
    assert {"--enable-prefix-caching", "--enable-prompt-tokens-details"} <= set(flags)


def test_arguments_of_the_manifest_become_flags() -> None:
    spec: dict[str, Any] = {"model": "m", "max_pixels": 78400, "engine": {"enforce_eager": True, "block_size": 32,
                            "enable_chunked_prefill": False}}  # fmt: skip
    flags = server_flags(spec, 8)
    assert "--enforce-eager" in flags
    assert "--no-enable-chunked-prefill" in flags
    assert flags[flags.index("--block-size") + 1] == "32"
    assert "--trust-request-mm-kwargs" in flags
    assert '"max_pixels":78400' in flags[flags.index("--mm-processor-kwargs") + 1]


def test_a_flag_that_older_releases_lack_is_left_out_for_them() -> None:
    spec: dict[str, Any] = {"model": "m", "max_pixels": 78400}
    assert "--trust-request-mm-kwargs" not in server_flags(spec, 8, release_of("0.30.2"))
    assert "--trust-request-mm-kwargs" in server_flags(spec, 8, release_of("0.31.0"))
    assert "--trust-request-mm-kwargs" not in server_flags({"model": "m"}, 8)
    assert [release_of(text) for text in ("0.32.0+cpu", "1", "odd", "")] == [(0, 32), (1, 0), (0, 0), (0, 0)]


def test_too_few_gpus_are_a_mistake() -> None:
    places = places_of({"use": "vllm_engine", "replicas": 3}, "127.0.0.1", 9000)
    assert [place.port for place in places] == [9000, 9001, 9002]
    with pytest.raises(UsageError, match="there are 4"):
        with_gpus(places, 2, ("0", "1", "2", "3"))
    assert with_gpus(places, 2, ()) == places
    assert Place("0.0.0.0", 80).url == "http://127.0.0.1:80/v1"


def test_short_names_stand_for_ids(tmp_path: Path) -> None:
    assert full_name("Qwen2.5-VL-7B-AWQ") == "Qwen/Qwen2.5-VL-7B-Instruct-AWQ"
    assert full_name("/models/mine") == "/models/mine"
    assert len({one.id for one in CHECKPOINTS.values()}) == len(CHECKPOINTS)
    for size in ("3b", "7b", "32b", "72b"):
        assert {f"qwen2.5-vl-{size}{form}" for form in ("", "-fp8", "-awq")} <= set(CHECKPOINTS)
    text = manifest(tmp_path, "{use: vllm_engine, model: videochat-r1}").read_text()
    assert parse_manifest(text, "m", tmp_path).models.vlm.model == "OpenGVLab/VideoChat-R1_7B"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((640, 360), (588, 336)),  # capped at 256 tokens
        ((252, 140), (252, 140)),
        ((100, 100), (112, 112)),
        ((20, 20), (56, 56)),
        ((1920, 1080), (588, 336)),
    ],
)
def test_pictures_cost_what_the_processor_makes_of_them(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert seen_size(*size) == seen
    assert picture_tokens(*size) == seen[0] * seen[1] // 784
    assert film_tokens(8, *size) == 8 * picture_tokens(*size)
    assert film_tokens(8, *size, merged=True) == 4 * picture_tokens(*size)
