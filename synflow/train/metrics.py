"""What is told of a training: a line on the console now and then, every step in ``log.jsonl``, and TensorBoard."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synflow.console import people
from synflow.durable import Attempt, replace_file


class Meter:
    """Tells of steps.

    Args:
        folder: of the training; None: nobody is told (all processes but the first).
        every: steps between two lines on the console.
        tensorboard: whether events are written for it, where it is installed.
    """

    def __init__(self, folder: Path | None, every: int, tensorboard: bool) -> None:
        self.folder, self.every = folder, every
        self._console = people() if folder else None
        self._board = _board(folder / "tensorboard") if folder and tensorboard else None
        self._last = time.monotonic()

    def begin(self, step: int) -> None:
        """Forget what was told of steps from ``step`` on: they are done again."""
        if self.folder is None or not self._log.exists():
            return
        kept = [line for line in self._log.read_bytes().splitlines() if _step_of(line) < step]
        with Attempt(self.folder / "staging") as attempt:
            replace_file(b"".join(line + b"\n" for line in kept), self._log, attempt)

    @property
    def _log(self) -> Path:
        return (self.folder or Path()) / "log.jsonl"

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = time.monotonic()
        passed, self._last = now - self._last, now
        return max(passed, 1e-9)

    def step(self, told: Mapping[str, Any], steps: int) -> None:
        """Tell of a step.

        Args:
            told: ``step`` (from 0), ``task`` and numbers; see docs/train.md for their units.
            steps: of the whole training.
        """
        if self.folder is None:
            return
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in told.items()}
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(plain) + "\n")
        if self._board is not None:
            for name, value in plain.items():
                if isinstance(value, int | float) and name != "step":
                    self._board.add_scalar(f"train/{name}", value, told["step"])
            self._board.add_scalar(f"loss/{told['task']}", told["loss"], told["step"])
        done = int(told["step"]) + 1
        if done % self.every == 0 or done in (1, steps):
            gap = f"  gap {told['gap']:+.3f}" if math.isfinite(told["gap"]) else ""
            self.say(
                f"{done:>6,} of {steps:,}  {told['task']:<4}  loss {told['loss']:.4f}  positive {told['positive']:.3f}"
                f"{gap}  {told['tokens_per_s']:,.0f} tokens/s  padding {told['padding']:.1%}"
                + (f"  MFU {told['mfu']:.1%}" if told["mfu"] else "")
            )

    def trial(self, epoch: int, step: int, found: Mapping[str, Mapping[str, float]]) -> None:
        """Tell what the held-out pairs gave after an epoch."""
        for task, one in found.items():
            if self._board is not None:
                self._board.add_scalar(f"held_out/{task}/recall_1", one["recall@1"], step)
            self.say(
                f"epoch {epoch + 1}  held out {task:<4}  R@1 {one['recall@1']:.3f}  R@10 {one['recall@10']:.3f}  "
                f"of {one['candidates']:,.0f} (chance {one['chance']:.3f})"
            )

    def say(self, line: str) -> None:
        """Print a line for people."""
        if self._console is not None:
            self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Let TensorBoard's file go."""
        if self._board is not None:
            self._board.close()


def _board(folder: Path) -> Any:
    """Return a writer of TensorBoard's events; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def _step_of(line: bytes) -> int:
    """Return the step of a line; one that is torn counts as the last."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62
