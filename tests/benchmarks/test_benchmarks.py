"""What the benchmarks rest on: the account of CPU and memory, and the verdict on known edits."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from kit import fingerprints, vllm_bench  # noqa: E402
from kit.records import Record  # noqa: E402
from kit.watch import watched  # noqa: E402
from known_edits import judged, shortfalls  # noqa: E402

from synflow.asks import Ask, Picture  # noqa: E402
from synflow.models.openai_chat import OpenAiOptions  # noqa: E402

BUSY = "import time\nwhile time.process_time() < 0.6: pass\n"


def test_cpu_of_children_is_counted_even_where_nobody_waits_for_them() -> None:
    script = (
        f"import subprocess, sys; busy = {BUSY!r}\n"
        "subprocess.Popen([sys.executable, '-c', busy], start_new_session=True)\n"
        "subprocess.run([sys.executable, '-c', busy + 'held = bytearray(60 << 20); time.sleep(0.5)'])\n"
    )
    usage = watched([sys.executable, "-c", script])
    assert usage.status == 0
    assert usage.cpu > 1.1
    assert usage.peak > 60 << 20


def test_a_command_past_its_limit_is_stopped_with_all_it_started() -> None:
    usage = watched([sys.executable, "-c", "import time; time.sleep(60)"], limit=1.0)
    assert usage.status is None
    assert usage.wall < 30


def test_the_exit_status_is_told() -> None:
    assert watched([sys.executable, "-c", "raise SystemExit(3)"]).status == 3


def record(name: str, edit: str, reason: str, base: str = "") -> Record:
    return Record(name, f"{name}.mp4", "", edit, reason, base)


def test_precision_and_recall_by_reason() -> None:
    records = [
        record("good_a", "good", "", "a"), record("good_b", "good", "", "b"), record("good_c", "good", "", "c"),
        record("copy_a", "recoded", "near-duplicate", "a"), record("copy_b", "recoded", "near-duplicate", "b"),
        record("soft", "blurred", "blurred"), record("dark", "black", "black"),
    ]  # fmt: skip
    fate = {
        # The better of two copies stays: here the edited one, and that is right too.
        "good_a": ("dedup", "near-duplicate", ""),
        "good_c": ("quality", "blurred", ""),
        "soft": ("quality", "blurred", ""),
    }
    result = judged(records, fate)
    codes = result["codes"]
    assert (codes["near-duplicate"]["found"], codes["near-duplicate"]["wanted"]) == (1, 2)
    assert codes["near-duplicate"]["precision"] == 1.0
    assert (codes["blurred"]["recall"], codes["blurred"]["precision"]) == (1.0, 0.5)
    assert codes["black"]["recall"] == 0.0
    assert result["good_lost"] == 1
    assert {one["id"] for one in result["mistakes"]} == {"good_c", "copy_b", "dark"}
    assert set(shortfalls(result)) == {"near-duplicate", "blurred", "black"}


@pytest.mark.parametrize("edit", ["wrong", "contradiction"])
def test_only_a_shortfall_that_cannot_be_helped_is_excused(edit: str) -> None:
    result = judged([record("x", edit, "caption-mismatch")], {})
    assert bool(shortfalls(result)["caption-mismatch"]) == (edit == "wrong")


def test_fingerprints_are_made_anew_alike_and_their_copies_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "BATCH", 300)
    rng = np.random.default_rng(2)
    walks = [rng.standard_normal((12, 12)) + rng.standard_normal((9, 12, 12)).cumsum(axis=0) / 3 for _ in range(24)]
    stock = fingerprints.Stock([fingerprints.stored(walk) for walk in walks])
    rows = [row for batch in (0, 1) for row in fingerprints.Maker(stock, 7).batch(batch)]
    assert rows == [row for batch in (0, 1) for row in fingerprints.Maker(stock, 7).batch(batch)]
    names = [row["clip"] for row in rows]
    assert 600 <= len(names) == len(set(names)) == len({row["source"] for row in rows})
    copies = [name for name in names if "." in name]
    assert {name.partition(".")[0] for name in copies} < set(names)
    assert 0.02 < len(copies) / len(names) < 0.3
    other = list(fingerprints.Maker(stock, 8).batch(0))
    assert [row["thumbs"] for row in other[:50]] != [row["thumbs"] for row in rows[:50]]


def test_too_few_clips_are_refused() -> None:
    still = fingerprints.stored(np.zeros((4, 12, 12)), np.zeros((32, 32)))
    with pytest.raises(SystemExit, match="too few"):
        fingerprints.Stock([still] * 30)


FAKE = """#!{python}
import json, sys
given = dict(zip(sys.argv[1:], sys.argv[2:]))
asks = [json.loads(line) for line in open(given["--dataset-path"])]
path = given["--result-dir"] + "/" + given["--result-filename"]
json.dump({{"duration": 2.0, "latencies": [0.5] * len(asks), "total_input_tokens": 70, "total_output_tokens": 9,
           "generated_texts": ["{{}}", "cut {{"], "errors": {errors}, "asks": asks,
           "extra": json.loads(given["--extra-body"])}}, open(path, "w"))
open({seen!r}, "w").write(json.dumps([asks, json.loads(given["--extra-body"]), sys.argv]))
"""


@pytest.mark.parametrize("errors", [["", ""], ["", "Internal Server Error"]])
def test_vllms_own_benchmark_gets_the_same_texts_and_pictures(
    errors: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, fake = tmp_path / "seen", tmp_path / "vllm"
    fake.write_text(FAKE.format(python=sys.executable, errors=errors, seen=str(seen)))
    fake.chmod(0o755)
    monkeypatch.setattr(vllm_bench, "executable", lambda: str(fake))
    picture = Picture(b"jpeg", "p", 0.0)
    asks = [Ask("bench", "d", text, {"type": "object"}, (picture,), system="Round 1.", max_tokens=32) for text in "ab"]
    options = OpenAiOptions(base_url="http://h:1", model="m", concurrency=4)
    if any(errors):
        with pytest.raises(RuntimeError, match="1 of 2 failed: Internal Server Error"):
            vllm_bench.by_vllm(asks, options)
        return
    done = vllm_bench.by_vllm(asks, options)
    assert (done.wall, done.prompt, done.written, done.answered, len(done.latencies)) == (2.0, 70, 9, 1, 2)
    sent, extra, arguments = json.loads(seen.read_text())
    url = f"data:image/jpeg;base64,{base64.b64encode(b'jpeg').decode()}"
    assert sent[1]["content"] == [
        {"type": "text", "text": "Round 1."}, {"type": "image", "image": url}, {"type": "text", "text": "b"},
    ]  # fmt: skip
    assert set(extra) == {"temperature", "max_tokens", "response_format"}
    assert arguments[arguments.index("--max-concurrency") + 1] == "4"


def test_what_the_benchmarks_take_from_the_package_is_there_and_public() -> None:
    """Some need packages that no environment of the tests has, so that nothing else would tell."""
    lost = []
    for path in sorted(BENCHMARKS.rglob("*.py")):
        for name, wanted in _taken(ast.parse(path.read_text())):
            if wanted.startswith("_") or wanted not in _told_by(name):
                lost.append(f"{path.name}: {name}.{wanted}")
    assert not lost


def _taken(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("synflow", "stages"):
            yield from ((str(node.module), one.name) for one in node.names)


def _told_by(name: str) -> set[str]:
    """Return what a module defines or imports, and the modules in a package, without importing what it needs."""
    found = importlib.util.find_spec(name)
    assert found and found.origin, f"there is no {name}"
    told = {one.name for one in pkgutil.iter_modules(found.submodule_search_locations or [])}
    for node in ast.walk(ast.parse(Path(found.origin).read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            told.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            told.update(one.asname or one.name for one in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            told.add(node.id)
    return told
