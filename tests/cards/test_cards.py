"""The cards of a run: real counts, licences by source, limits; Croissant that the reference validator accepts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from fault_runs import write_manifest

from synflow import run as engine
from synflow.card import in_one_line
from synflow.croissant import COLUMNS
from synflow.manifest import load_manifest
from synflow.store.index import CLIPS, PAIRS, REJECTS
from synflow.store.verify import verify
from synflow.world.render import render_world

HOSTILE = "<script>alert(1)</script> | [x](javascript:1) `rm` \u202edcba \U0001f984 " + "word " * 10_000
STRANGE = "videos/<img src=x onerror=alert(1)> | \U0001f984.mp4"
LICENCES = ("CC-BY-4.0", "CC-BY-NC-4.0", "unknown", "House <b>rules</b> | v2")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose list has several licences, a hostile attribution, a hostile caption and a hostile file name."""
    folder = tmp_path_factory.mktemp("cards")
    render_world(folder / "world", clips=8, seed=3, defects=0.0, workers=1)
    path = folder / "world/videos.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for place, line in enumerate(lines):
        line.update(licence=LICENCES[place % 4], source=HOSTILE[:2000] if place == 0 else f"studio {place % 2}")
    lines[1]["caption"] = [HOSTILE + "\x00"]
    target = folder / "world" / STRANGE
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / "world" / lines[2]["path"]).rename(target)
    lines[2]["path"] = STRANGE
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    stages = [{"validate": {"min_short_side": 144}}, "partners", "enrich", {"expand": {"elsewhere": 0.9}}]
    manifest = write_manifest(folder / "m.yaml", path, stages=stages, shards={"max_samples": 20})
    assert engine.run(load_manifest(manifest), folder / "out").complete
    return folder / "out"


def rows(run: Path, table: str) -> list[dict[str, Any]]:
    return pq.ParquetFile(run / f"index/{table}.parquet").read().to_pylist()


def test_every_column_that_is_no_map_is_described() -> None:
    for name, schema in (("pairs", PAIRS), ("clips", CLIPS), ("rejects", REJECTS)):
        plain = {field.name for field in schema if "map" not in str(field.type)}
        assert set(COLUMNS[name]) == plain


def test_the_reference_validator_finds_no_error_and_reads_every_record(run: Path) -> None:
    code = """
import logging, sys, json
import mlcroissant as mlc
told = mlc.Dataset(jsonld=sys.argv[1])
issues = told.metadata.ctx.issues
counts = {name: sum(1 for _ in told.records(name)) for name in ("pairs", "clips", "rejects")}
first = next(iter(told.records("pairs")))
print(json.dumps({"errors": sorted(issues.errors), "warnings": sorted(issues.warnings), "counts": counts,
                  "id": first["pairs/id"].decode()}))
"""
    call = [sys.executable, "-W", "ignore", "-c", code, str(run / "croissant.json")]
    done = subprocess.run(call, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["errors"] == []
    assert told["counts"] == {name: len(rows(run, name)) for name in ("pairs", "clips", "rejects")}
    assert told["id"] in {row["id"] for row in rows(run, "pairs")}
    command = ["mlcroissant", "validate", "--jsonld", str(run / "croissant.json")]
    done = subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:]], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stderr[-3000:]


def test_the_validator_does_find_an_error_where_there_is_one(run: Path, tmp_path: Path) -> None:
    value = json.loads((run / "croissant.json").read_text(encoding="utf-8"))
    value["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "nothing.parquet"
    (tmp_path / "croissant.json").write_text(json.dumps(value), encoding="utf-8")
    command = [Path(sys.executable).with_name("mlcroissant"), "validate", "--jsonld", str(tmp_path / "croissant.json")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=200).returncode != 0


def test_croissant_names_every_file_with_its_digest(run: Path) -> None:
    value, dataset = json.loads((run / "croissant.json").read_bytes()), json.loads((run / "dataset.json").read_bytes())
    files = {one["contentUrl"]: one["sha256"] for one in value["distribution"] if one["@type"] == "cr:FileObject"}
    wanted = {one["path"]: one["sha256"] for one in dataset["shards"]}
    wanted |= {f"index/{name}": one["sha256"] for name, one in dataset["index"].items()}
    assert files == wanted
    assert set(value["license"]) >= {"https://spdx.org/licenses/CC-BY-4.0", "unknown"}


def test_the_card_counts_what_the_tables_hold(run: Path) -> None:
    card, pairs = (run / "README.md").read_text(encoding="utf-8"), rows(run, "pairs")
    assert f"{len(pairs):,} retrieval pairs" in card
    for name in ("CC-BY-4.0", "unknown"):
        number = sum(row["licence"] == name for row in pairs)
        assert number and f"| {name} | {number:,} |" in card
    assert "studio 1 | CC-BY-NC-4.0 | 2 |" in card
    unknown = sum(row["licence"] == "unknown" for row in pairs)
    assert f"Of {unknown:,} pairs" in card and "`dedup` (copies are not dropped)" in card


def test_hostile_texts_do_no_harm_on_the_cards(run: Path) -> None:
    card = (run / "README.md").read_text(encoding="utf-8")
    for mark in ("<script", "<img", "<b>", "\u202e"):
        assert mark not in card, mark
    assert not re.search(r"(?<!\\)\]\(", card), "no link that the run did not make"
    table = [line for line in card.splitlines() if line.startswith("|") and "script" in line]
    assert len(table) == 1 and table[0].replace("\\|", "").count("|") == 5 and len(table[0]) < 600
    text = (run / "croissant.json").read_text(encoding="utf-8")
    assert "\u202e" not in text and "alert(1)" not in text
    assert verify(run).sound


def test_a_composed_pair_has_the_stricter_licence_of_its_two_sources(run: Path) -> None:
    found = [
        row for row in rows(run, "pairs") if row["query_licence"] and row["query_licence"] != row["target_licence"]
    ]
    assert found
    for row in found:
        both = {row["query_licence"], row["target_licence"]}
        assert row["licence"] in both
        if "unknown" in both:
            assert row["licence"] == "unknown"


def test_one_line_keeps_words_and_drops_what_is_obeyed() -> None:
    assert in_one_line("a|b <i> [c](d) *e* \x1b[0m") == "a\\|b &lt;i&gt; \\[c\\](d) \\*e\\* \\\\x1b\\[0m"
