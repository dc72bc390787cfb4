"""How many threads linear algebra takes: each case in a process of its own, for it is settled when NumPy is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from synflow.blas import OTHERS, VARIABLE

CPUS = len(os.sched_getaffinity(0))

TOLD = """
import json
import cv2, numpy
from threadpoolctl import threadpool_info
print(json.dumps([one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]))
"""

RUN = 'from synflow.cli import main; main(["run", "no-manifest.yaml"])\n'

WORKER = 'import cv2, numpy; from synflow.executors.worker import Worker; Worker({"root": "."})\n'

ALL_AGAIN = "import cv2, numpy; from synflow.blas import use_all; use_all()\n"


def threads_after(code: str, **chosen: str) -> list[int]:
    """Return the threads of each BLAS in a process that ran ``code``, with ``chosen`` variables."""
    known = {name: value for name, value in os.environ.items() if name not in (VARIABLE, *OTHERS)}
    done = subprocess.run(
        [sys.executable, "-c", code + TOLD], env={**known, **chosen}, capture_output=True, text=True, check=True
    )
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    assert found
    return found


@pytest.mark.skipif(CPUS < 2, reason="one CPU: there is one thread anyway")
@pytest.mark.parametrize(
    ("code", "chosen", "threads"),
    [
        pytest.param(RUN, {}, 1, id="a run"),
        pytest.param(RUN.replace('"run"', '"resume"'), {}, 1, id="a run that goes on"),
        pytest.param(RUN, {VARIABLE: "2"}, 2, id="the choice of the user"),
        pytest.param(RUN, {OTHERS[0]: "2"}, 2, id="the choice of the user for all libraries"),
        pytest.param(RUN + ALL_AGAIN, {}, 0, id="the driver of workers that are other processes"),
        pytest.param(RUN + ALL_AGAIN, {VARIABLE: "1"}, 1, id="the same where the user chose one"),
        pytest.param(WORKER, {}, 1, id="a worker"),
        pytest.param(WORKER, {VARIABLE: "2"}, 1, id="a worker, whatever was chosen"),
    ],
)
def test_threads_of_linear_algebra(code: str, chosen: dict[str, str], threads: int) -> None:
    """Compare with ``threads``; 0 stands for what each library takes where it is left to itself."""
    left_alone = threads_after("")
    assert min(left_alone) > 1
    assert threads_after(code, **chosen) == [threads or own for own in left_alone]
