"""The command line: what it prints where, its exit codes, and that no failure is a traceback."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from handmade import WHOLE_ROAD, write_run

import synflow.commands.inspect
import synflow.commands.stages
from synflow import cli
from synflow.cli import main
from synflow.commands.output import shell
from synflow.errors import Damage, Incomplete, Interrupted, Refused, SynflowError, UsageError

COMMANDS = (
    "run",
    "resume",
    "plan",
    "status",
    "inspect",
    "replay",
    "verify",
    "stages",
    "world",
    "serve",
    "fingerprint",
    "withdraw",
    "export",
    "mine",
    "train",
    "evaluate",
    "doctor",
)


def spawn(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "synflow", *arguments], capture_output=True, text=True, timeout=120, **more
    )


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(synflow.commands.stages, "show_stages", fail)


def test_help_names_every_command_without_loading_what_they_need() -> None:
    done = spawn("--help")
    assert done.returncode == 0 and done.stderr == ""
    listed = done.stdout.partition("Commands:")[2].split("\n")
    assert [line.split()[0] for line in listed if line.startswith("  ")][: len(COMMANDS)] == list(COMMANDS)
    assert "..." not in "".join(listed), "a sentence was cut"
    heavy = {"ray", "rich", "pyarrow", "av", "cv2", "numpy", "pydantic"}
    program = f"import sys, synflow.cli as c; c.main(['--help']); print(sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines()[-1] == "[]"


def test_help_is_quick() -> None:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        spawn("--help")
        took.append(time.perf_counter() - start)
    # 0.11 s on a quiet machine; the bound is for a busy one.
    assert min(took) < 1.0


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: synflow {command}") and err == ""


def test_no_command_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0 and "Commands:" in capsys.readouterr().out
    assert main(["--version"]) == 0 and capsys.readouterr().out == f"synflow {cli.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "cause", "remedy"),
    [
        (["rnu"], "no such command 'rnu'. Did you mean 'run'?", "`synflow --help` shows"),
        (["run"], "missing argument 'MANIFEST'", "`synflow run --help` shows"),
        (["run", "m.yaml", "--fo"], "no such option: --fo", "`synflow run --help` shows"),
        (["run", "absent.yaml"], "absent.yaml: there is no such manifest", "give the path of a manifest"),
        (["plan", "absent.yaml"], "absent.yaml: there is no such manifest", "give the path of a manifest"),
        (["inspect", "absent"], "absent is not a folder", "give the output folder"),
        (["status", "absent"], "absent does not exist", "give the output folder"),
        (["verify", "absent"], "absent does not exist", "give the output folder"),
        (["resume", "absent"], "absent does not exist", "give the output folder"),
        (["inspect", ".", "--sample", "0"], "invalid value for '--sample'", "`synflow inspect --help` shows"),
        (["stages", "validat"], "unknown stage `validat`; did you mean `validate`?", "registered stages:"),
        (["doctor", "absent.yaml"], "absent.yaml: there is no such manifest", "give the path"),
    ],
)
def test_a_mistake_is_one_cause_and_one_remedy(
    arguments: list[str], cause: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and len(lines) == 2
    assert lines[0].startswith(f"error: {cause}") and lines[1].startswith(f"remedy: {remedy}")


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        (UsageError("c", "r"), 2, "c"),
        (Incomplete("c", "r"), 3, "c"),
        (Refused("c", "r"), 4, "c"),
        (Damage("c", "r"), 5, "c"),
        (Interrupted("c", "r"), 130, "c"),
        (SynflowError("two\nlines \x1b[2J", "r"), 1, r"two; lines \x1b[2J"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "/out/x"), 3, "no space left for /out/x"),
        (OSError(errno.EROFS, "Read-only file system", "/out"), 2, "cannot use /out: Read-only file system"),
        (PermissionError(errno.EACCES, "Permission denied", "/out"), 2, "cannot use /out: Permission denied"),
        (OSError(errno.EMFILE, "Too many open files"), 3, "too many open files"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
        (OSError(errno.EIO, "Input/output error"), 1, "OSError: [Errno 5] Input/output error"),
    ],
)
def test_each_failure_has_its_exit_code(
    error: BaseException, code: int, cause: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, error)
    assert main(["stages"]) == code
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"error: {cause}" and lines[1].startswith("remedy: ") and len(lines) == 2


def test_a_bug_says_so_and_shows_its_traceback_only_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise ValueError("seven")

    monkeypatch.setattr(synflow.commands.inspect, "inspect_run", fail)
    (tmp_path / "log.jsonl").touch()
    assert main(["inspect", str(tmp_path)]) == 1
    quiet = capsys.readouterr().err
    assert "this is a bug" in quiet and f"{tmp_path}/log.jsonl" in quiet and "Traceback" not in quiet
    for arguments in (["inspect", str(tmp_path), "--debug"], ["--debug", "inspect", str(tmp_path)]):
        assert main(arguments) == 1
        shown = capsys.readouterr().err
        assert "Traceback" in shown and shown.splitlines()[-2] == "error: ValueError: seven"


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    root = write_run(tmp_path, number=3, frames=1)
    command = (
        f"{sys.executable} -m synflow inspect {root} --json --sample 20 | head -c 100; echo ${{PIPESTATUS[0]}} >&2"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith('{\n  "counts"') and done.stderr.strip() in ("0", "141")


def test_sigterm_ends_as_ctrl_c_does() -> None:
    program = (
        "import sys, time, synflow.commands.stages as s, synflow.cli as c\n"
        "def wait(*a, **k): print('ready', flush=True); time.sleep(60)\n"
        "s.show_stages = wait\nsys.exit(c.main(['stages']))"
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout and child.stderr and child.stdout.readline() == "ready\n"
            child.send_signal(number)
            assert child.wait(20) == 130
            assert child.stderr.read().splitlines()[0] == "error: interrupted"


def test_the_real_thing_has_exit_codes(tmp_path: Path) -> None:
    assert spawn("inspect", str(tmp_path / "absent")).returncode == 2
    assert spawn("stages", "--schema").returncode == 0
    (tmp_path / "run.json").write_text("{}")
    done = spawn("inspect", str(tmp_path))
    assert done.returncode == 3 and "`synflow resume" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = spawn("world", str(closed / "w"), "--clips", "1")
    assert done.returncode in (2, 3) and done.stderr.count("\n") <= 3


def test_stages_lists_parameters_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)
    assert {*WHOLE_ROAD, "quota"} <= set(stages)
    validate = stages["validate"]
    found = {one["name"]: one for one in validate["parameters"]}
    assert found["min_short_side"]["default"] == 240 and "side" in found["min_short_side"]["about"]
    assert "too-small" in validate["reasons"] and stages["dedup"]["kind"] == "corpus"
    assert main(["stages", "validate"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "min_duration" in err and "too-short" in err
    for arguments, title in ((["stages", "--schema"], "Manifest"), (["stages", "shots", "--schema"], "ShotsConfig")):
        assert main(arguments) == 0
        assert json.loads(capsys.readouterr().out)["title"] == title


def test_docs_of_parameters_are_read_from_docstrings() -> None:
    entries = "    low, high: seconds,\n        of the clip.\n    share (float): of all.\n"
    doc = f"One.\n\nAttributes:\n{entries}\nSee:\n    X: y"
    assert synflow.commands.stages.attribute_docs(doc) == {
        "low": "seconds, of the clip.", "high": "seconds, of the clip.", "share": "of all.",
    }  # fmt: skip


def test_paths_can_be_pasted() -> None:
    assert shell(Path("runs/demo-1")) == "runs/demo-1"
    assert shell(Path("my runs/it's")) == "'my runs/it'\\''s'"
