"""Every command that the pages show outside ``console`` blocks is run, on folders as their reader has them."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import pyarrow.parquet as pq
import pytest
import yaml
from docpages import ROOT, blocks, environment, typed
from trials import CLUSTER, ELSEWHERE, SERVERS, TRIALS, Trial, commands

from synflow.world.video import encode

sys.path[:0] = [str(ROOT / "tests" / name) for name in ("evaluate", "models")]

HAS_TORCH = find_spec("torch") is not None and find_spec("peft") is not None


def block_of(page: str, begins: str) -> str:
    """Return the one block of a page whose text begins so."""
    (found,) = [block.text for block in blocks(ROOT / page) if block.text.startswith(begins)]
    return found


def larger(source: Path, goal: Path) -> None:
    """Write a film again at 320 x 240: the worlds' are smaller than the README's manifest lets through."""
    with av.open(str(source)) as film:
        pictures = [cv2.resize(frame.to_ndarray(format="rgb24"), (320, 240)) for frame in film.decode(video=0)]
    encode(goal, pictures, 24, "h264")


def own_videos(folder: Path) -> None:
    """Write `videos.jsonl` and `manifest.yaml` as the README has them, of films that made pairs in the demo."""
    world = folder / "runs/demo-world"
    lines = [json.loads(line) for line in (world / "videos.jsonl").read_text(encoding="utf-8").splitlines()]
    made = set(pq.read_table(folder / "runs/demo/index/pairs.parquet")["record_id"].to_pylist())
    (folder / "videos").mkdir()
    told = []
    for name, line in zip(("dog", "cat", "owl"), [one for one in lines if one["id"] in made], strict=False):
        larger(world / line["path"], folder / f"videos/{name}.mp4")
        told.append({"path": f"videos/{name}.mp4", "caption": line["caption"], "licence": "CC-BY-4.0"})
    text = "".join(json.dumps(one) + "\n" for one in told)
    for place in ("videos.jsonl", "exclude.jsonl"):
        (folder / place).write_text(text, encoding="utf-8")
    # Ray would take seconds to start for each command; that it gives the same bytes is tested elsewhere.
    manifest = block_of("README.md", "version: 1\nname: mine").replace("{use: ray, address: local}", "{use: serial}")
    (folder / "manifest.yaml").write_text(manifest, encoding="utf-8")


def benchmarks_of_others(folder: Path) -> None:
    """Write what stands for videos of MSR-VTT and DiDeMo, and for UVRB."""
    from fake_uvrb import fake_uvrb

    fake_uvrb(folder / "data/UVRB")
    for place in ("msrvtt", "didemo"):
        shutil.copytree(folder / "videos", folder / place / "videos")
    shutil.copy(folder / "videos.jsonl", folder / "msrvtt/test.jsonl")
    (folder / "didemo/test.txt").write_text("a dog runs\na cat sleeps\n", encoding="utf-8")


def recipes(folder: Path) -> None:
    """Write the recipe of docs/evaluate.md; let all evaluations share one small miniature, and trainings be short."""
    (folder / "recipe.yaml").write_text(block_of("docs/evaluate.md", "# recipe.yaml"), encoding="utf-8")
    changed = {
        "evaluate/miniature.yaml": {"miniature": {"folder": "../../miniature", "clips": 16}},
        "train/tiny.yaml": {"epochs": 1, "steps": 2},
        "train/gve-3b.yaml": {
            "data": {"run": "../../runs/uvrd", "holdout": 2},
            "model": {"base": "tiny", "dtype": "float32", "device": "cpu"},
            "input": {"frames": 2, "frame_tokens": 6, "image_tokens": 6, "max_tokens": 512},
            "prober": {"use": "itself"},
            "batch": {"size": 4, "tasks": {"t2i": 4}, "chunk_tokens": 8192, "gradient_caching": True},
            "epochs": 1, "steps": 2,
        },
    }  # fmt: skip
    for name, more in changed.items():
        place = folder / "manifests" / name
        told = {**yaml.safe_load(place.read_text(encoding="utf-8")), **more}
        place = place.with_name(place.name.replace("gve-3b", "gve-tiny"))
        place.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="session")
def field(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The desk after the demo, with a reader's own videos, a run of them, and benchmarks that others published."""
    folder = tmp_path_factory.mktemp("field") / "at"
    shutil.copytree(desk, folder)
    own_videos(folder)
    benchmarks_of_others(folder)
    recipes(folder)
    shutil.copytree(folder / "runs/demo", folder / "runs/uvrd")
    done = typed("synflow run manifest.yaml", folder)
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "runs/mine", folder / "runs/other")
    (folder / "token").write_text("a-token-that-stays\n")
    return folder


@pytest.fixture
def weights(field: Path) -> None:
    """Small models of the real architectures, with random weights, at ``models/``."""
    from tiny_models import MAKERS

    for name in ("clip", "qwen2_vl"):
        place = field / "models" / name
        if not place.exists():
            place.mkdir(parents=True)
            MAKERS[name](place)


def given(trials: Mapping[str, Trial]) -> list[object]:
    """Return the trials as parameters, slow ones and those that need torch marked."""
    no_torch = pytest.mark.skipif(not HAS_TORCH, reason="needs torch and peft: make test-models")
    return [
        pytest.param(line, id=line, marks=[pytest.mark.slow] * one.slow + [no_torch] * one.torch)
        for line, one in trials.items()
    ]


def test_every_command_of_the_pages_has_a_trial() -> None:
    known = {*TRIALS, *SERVERS, *CLUSTER, *ELSEWHERE}
    shown = set(commands())
    assert len(shown) > 30
    assert shown == known, f"without a trial: {sorted(shown - known)}; not shown any more: {sorted(known - shown)}"


@pytest.mark.parametrize("command", ELSEWHERE)
def test_the_test_that_runs_it_elsewhere_is_there(command: str) -> None:
    file, _, name = ELSEWHERE[command].partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The address of a server that has a vector for everything, as OpenAI's embeddings do."""

    class Vectors(BaseHTTPRequestHandler):
        def answered(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.answered({"data": [{"id": "gme"}]})

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            vector = [float(sum(asked[place::16]) % 97 + 1) for place in range(16)]
            self.answered({"data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 1}})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Vectors)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("command", given(TRIALS))
def test_a_command_does_what_the_page_says(
    command: str, field: Path, served: str, request: pytest.FixtureRequest
) -> None:
    trial = TRIALS[command]
    if trial.torch and "train" not in command:
        request.getfixturevalue("weights")
    folder = ROOT if command.startswith("pip install -e") else field
    if command.startswith("make"):
        folder = request.getfixturevalue("tmp_path") / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    line = command
    for shown, here in trial.exchanged:
        assert shown in line
        line = line.replace(shown, here)
    done = typed(line, folder, 3000 if trial.slow else 280, SERVED=served, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr
    assert trial.says in done.stdout + done.stderr
    assert not trial.leaves or (folder / trial.leaves).stat().st_size > 0


@contextmanager
def going(line: str, folder: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a line that goes on by itself, in a group of its own; end all of it."""
    process = subprocess.Popen(
        ["sh", "-c", line], cwd=folder, env=environment(**more), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
        assert process.stdout
        process.stdout.close()


@pytest.mark.parametrize("command", sorted(SERVERS))
def test_a_page_is_served_until_it_is_interrupted(command: str, field: Path) -> None:
    with going(f"exec env {command} --port 0" if "=" in command else f"exec {command} --port 0", field) as process:
        assert process.stdout
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address
        if "cat token" in command:
            assert address[0].endswith("token=a-token-that-stays")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())  # the token becomes a cookie
        with browser.open(address[0].replace("0.0.0.0", "127.0.0.1"), timeout=60) as page:
            assert b"Pairs" in page.read()
    assert process.returncode in (0, 130)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: those of Ray's sockets may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_cluster_is_built_and_used_as_the_page_says(field: Path, short: Path) -> None:
    """Two nodes of one processor each, on this machine; ``--block`` lets each be ended without the others'."""
    head, node, run = CLUSTER
    address = f"127.0.0.1:{free_port()}"
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "c0ffee" * 10, "RAY_ADDRESS": address}
    small = " --num-cpus=1 --object-store-memory=100000000 --block"
    head = head.replace("6379", address.split(":")[1]) + f" --include-dashboard=false --temp-dir={short}"
    run = run.replace("/shared/", "").replace("--out run", f"--out {short}/run").replace("cpus=64", "cpus=2")
    run += " --set executor.use=ray"  # which this manifest does not say
    with going(f"exec {head}{small}", field, **secret) as first:
        deadline = time.monotonic() + 120
        while typed(f"ray health-check --address {address}", field, **secret).returncode:
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(1)
        joined = node.replace("FIRST_NODE:6379", address)
        with going(f"exec {joined}{small}", field, **secret) as second:
            while (done := typed(f"ray status --address {address}", field, **secret)).stdout.count("node_") < 2:
                assert second.poll() is None and time.monotonic() < deadline, done.stdout + done.stderr
                time.sleep(1)
            done = typed(run, field, **secret)
            assert done.returncode == 0, done.stderr
            assert first.poll() is None and second.poll() is None
    dataset = json.loads((short / "run/dataset.json").read_bytes())
    alone = json.loads((field / "runs/other/dataset.json").read_bytes())
    assert dataset["shards"] and dataset["shards"] == alone["shards"]
