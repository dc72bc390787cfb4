"""What does the work of a unit: it holds one decoder child and the models, and is built from JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from synflow.asks import Embedder, Vlm
from synflow.blas import hold_to_one
from synflow.chain import Bound
from synflow.datafile import portable
from synflow.durable import append_lines
from synflow.executors.downloads import SourceChanged
from synflow.executors.packing import work_pack
from synflow.executors.samples import SampleWork
from synflow.executors.takeover import journals_of
from synflow.ids import digest_of
from synflow.media.heap import keep_memory
from synflow.media.sandbox import Sandbox
from synflow.models.contract import open_embedder, open_vlm
from synflow.models.journal import Journalled
from synflow.records import Step
from synflow.registry import build, stage_class
from synflow.store.layout import RunLayout


class Worker:
    """Works on units, one at a time.

    Args:
        spec: ``root`` of the run, ``seed``, ``stages`` (name -> config), ``models``, ``media``, ``prompts``,
            ``identities`` (which models answer, wherever they are served).
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        # A worker is one process on one CPU; libraries would otherwise start a thread for each that they see.
        cv2.setNumThreads(1)
        hold_to_one()
        keep_memory()
        self.spec = spec
        self.layout = RunLayout(Path(spec["root"]))
        self._stages: dict[str, Bound] = {}
        self._sandbox: Sandbox | None = None
        self._stopped = False
        self._vlm: Vlm | None = None
        self._embed: Embedder | None = None

    def bound(self, name: str) -> Bound:
        """Return the stage ``name`` with its step."""
        if name not in self._stages:
            config = self.spec["stages"][name]
            stage = build(name, config)
            step = Step(stage=name, version=stage.version, config=digest_of(portable(config)))
            self._stages[name] = Bound(stage, step)
        return self._stages[name]

    @property
    def sandbox(self) -> Sandbox:
        """The decoder child, kept for the worker's life."""
        if self._sandbox is None:
            media = self.spec["media"]
            self._sandbox = Sandbox(decoder=media["decoder"], deadline=media["deadline"], memory=media["memory"])
            if self._stopped:
                self._sandbox.stop()
        return self._sandbox

    def vlm(self, unit: Mapping[str, Any]) -> Journalled:
        """Return the model that sees and writes, with the journal of one shard."""
        if self._vlm is None:
            chosen = dict(self._model("vlm"))
            if chosen["use"] == "openai_http":
                # The bound holds at each server for the whole run, so every worker gets its share.
                chosen["concurrency"] = max(1, -(-chosen["concurrency"] // unit.get("workers", 1)))
            self._vlm = open_vlm(chosen)
        path = self.layout.journal(unit["pass"]["name"], unit["shard"])
        return Journalled(self._vlm, path, append_lines, earlier=journals_of(unit.get("reuse")))

    @property
    def fixed_vlm(self) -> str:
        """Id of the model that sees and writes where it comes with synflow: then no manifest tells its version."""
        if self.spec["models"]["vlm"]["use"] != "signals":
            return ""
        if self._vlm is None:
            self._vlm = open_vlm(self._model("vlm"))
        return self._vlm.model

    @property
    def embed(self) -> Embedder:
        """The embedder, kept for the worker's life."""
        if self._embed is None:
            self._embed = open_embedder(self._model("embed"))
        return self._embed

    def _model(self, role: str) -> Mapping[str, Any]:
        """Return the manifest's model for ``role``; one that no stage will ask is not opened."""
        used = any(role in stage_class(name).uses for name in self.spec["stages"])
        chosen: Mapping[str, Any] = self.spec["models"][role]
        return chosen if used else {"use": "signals"}

    def work(self, unit: Mapping[str, Any]) -> dict[str, Any]:
        """Do one unit; return its receipt and what it cost.

        Raises:
            SynflowError: with cause and remedy. Any other exception is a bug of a stage or of synflow.
        """
        if unit["kind"] == "pack":
            return work_pack(self.layout, unit)
        changed: set[str] = set()
        while True:
            try:
                return SampleWork(self, unit, frozenset(changed)).run()
            except SourceChanged as found:
                # What an earlier run knew of it went into this attempt; the next one does without.
                changed.add(found.record_id)

    def stop(self) -> None:
        """Let a unit under way in another thread end without a receipt as soon as it asks for pictures."""
        self._stopped = True
        if self._sandbox is not None:
            self._sandbox.stop()

    def close(self) -> None:
        """End the decoder child."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
