"""Work of a stage that may embed is taken over as a whole only from a run with the same embedder."""

from __future__ import annotations

from pathlib import Path

from synflow.earlier import Determined
from synflow.manifest import load_manifest

MANIFEST = """
version: 1
name: embedders
inputs: [{{clips: videos.jsonl, licence: unknown}}]
models: {{embed: {{use: transformers, model: {model}}}}}
stages:
  - validate
  - dedup: {{embedding: 0.9}}
"""


def keys(folder: Path, model: str) -> list[str]:
    path = folder / "manifest.yaml"
    path.write_text(MANIFEST.format(model=model))
    run = Determined(load_manifest(path), {"format": 1})
    return [run.pass_key(one.name) for one in run.passes]


def test_another_embedder_makes_another_pass(tmp_path: Path) -> None:
    (tmp_path / "videos.jsonl").write_text('{"path": "a.mp4"}\n')
    first, again, other = (keys(tmp_path, model) for model in ("some/clip", "some/clip", "other/clip"))
    assert first == again
    assert first[0]
    assert first[0] != other[0]
