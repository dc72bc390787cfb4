"""A stage and a decoder that go wrong on files with telling names: what a third party's plugin may do to a run."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from synflow.contract import Context, Keep, Outcome, StageConfig
from synflow.media.pyav_decoder import PyAvDecoder, PyAvReader
from synflow.media.source import Source
from synflow.records import Sample


class Boom:
    """Reads address 0 on files called ``segv*``; raises on ``bug*`` while the file ``marker`` exists."""

    class Config(StageConfig):
        marker: str = ""

    name: ClassVar[str] = "boom"
    version: ClassVar[int] = 1
    reasons: ClassVar[Mapping[str, str]] = {}
    whole_shard: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, samples: Sequence[Sample], ctx: Context) -> Sequence[Outcome]:
        for sample in samples:
            name = Path(sample.source.uri).name
            if name.startswith("segv"):
                ctypes.string_at(0)
            if name.startswith("bug") and Path(self.config.marker).exists():
                raise ZeroDivisionError("a bug in a stage")
        return [Keep(sample) for sample in samples]


class FaultyDecoder(PyAvDecoder):
    """Sleeps on files called ``hang*`` and takes all memory on ``bloat*``."""

    def open(self, source: Source) -> PyAvReader:
        name = Path(source.identity[0].path).name
        if name.startswith("hang"):
            time.sleep(3600)
        if name.startswith("bloat"):
            held = []
            while True:
                held.append(bytearray(16 << 20))
        return super().open(source)
