"""What `synflow inspect` prints: counts, pairs, provenance; nothing hostile gets through."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from handmade import name_of
from rich.console import Console

from synflow.cli import main
from synflow.inspect.index import open_index
from synflow.inspect.provenance import chain
from synflow.inspect.sampler import find, read_pair
from synflow.inspect.terminal import show_pair

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printed(width: int, task: str, root: Path, *, color: bool) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=color, color_system="truecolor" if color else None,
        markup=False, highlight=False, legacy_windows=False, _environ={},
    )  # fmt: skip
    show_pair(console, read_pair(root, find(open_index(root), name_of(task, 0))))
    return stream.getvalue()


@pytest.mark.parametrize("task", ["t2v", "t2i", "i2v", "t2t", "ti2v", "v2v", "tv2v"])
@pytest.mark.parametrize("width", [80, 140])
def test_hostile_text_never_reaches_the_terminal(handmade: Path, task: str, width: int) -> None:
    plain = printed(width, task, handmade, color=False)
    assert not UNSAFE.search(plain)
    assert max(len(line) for line in plain.splitlines()) <= width
    own = re.sub("\x1b\\[[0-9;]*m", "", printed(width, task, handmade, color=True))
    assert not UNSAFE.search(own), "only colours of our own may be escapes"
    if task == "t2v":
        assert r"\x1b[31mred" in plain and r"\u202edoor" in plain and "words)" in plain


def test_without_colours_times_and_sizes_stand_for_the_strip(handmade: Path) -> None:
    assert "▀" in printed(80, "v2v", handmade, color=True)
    plain = " ".join(printed(140, "v2v", handmade, color=False).split())
    assert "▀" not in plain and "8 frames 160x90 at 0.5 1.5 2.5 3.5 4.5 5.5 6.5 7.5 s" in plain


def test_provenance_is_a_whole_chain(handmade: Path) -> None:
    index = open_index(handmade)
    links = chain(index, read_pair(handmade, find(index, name_of("t2v", 1))))
    assert [link.kind for link in links] == ["source", "clip", "stage", "stage", "model", "pair", "shard"]
    found = {link.kind: link for link in links}
    assert found["source"].facts["licence"] == "CC-BY-4.0"
    assert (
        found["clip"].facts["span"].startswith("0.00-8.00 s")
        and "dynamics.residual 0.3" in found["clip"].facts["measures"]
    )
    assert found["model"].facts == {
        "revision": "1",
        "prompt": "video-captions (eeeeeeeeeeee)",
        "request": "ffffffffffff",
        "seed": "7",
    }
    assert found["shard"].title == "shards/t2v/t2v-000000.tar"


def test_the_view_names_counts_reasons_and_neighbours(handmade: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(handmade)]) == 0
    out, shown = capsys.readouterr()
    text = " ".join(shown.split())
    assert out == "" and not UNSAFE.search(shown)
    for part in (
        "28 pairs · 12 of 12 clips kept · 7 dropped",
        "3 blurred quality",
        "sharpness 14 (min_sharpness 50)",
        r"\x1b[2Jfootage",
        "quality.sharpness ≥ 50",
        "14 dropped videos/bad2.mp4",
        "60 kept videos/v0.mp4",
        "bad-record",
        "Sample pairs",
        "--pair",
    ):
        assert part in text, part


def test_json_is_one_document_on_stdout(handmade: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(handmade), "--json", "--task", "t2v", "--sample", "3"]) == 0
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert err == "" and out.isascii()
    assert [one["task"] for one in value["sample"]] == ["t2v"] * 3 and value["sample"][0]["record"]["provenance"][
        "steps"
    ]
    assert {one["reason"] for one in value["rejects"]} == {
        "blurred",
        "static-clip",
        "caption-boilerplate",
        "bad-record",
    }
    assert value["thresholds"][0]["kept"][0]["value"] == 60
    assert main(["inspect", str(handmade), "--json", "--pair", name_of("v2v", 1)]) == 0
    assert json.loads(capsys.readouterr().out)["chain"][0]["kind"] == "source"


def test_a_sample_is_the_same_each_time(handmade: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for seed in ("1", "1", "2"):
        assert main(["inspect", str(handmade), "--task", "t2t", "--sample", "2", "--seed", seed]) == 0
        shown.append(capsys.readouterr().err.partition("Next")[0])
    assert shown[0] == shown[1] != shown[2]
