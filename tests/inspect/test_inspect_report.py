"""The report is one file that asks for nothing, shows what the tables say, and lets no strange text do anything."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from handmade import HOSTILE, write_run

from synflow.cli import main
from synflow.inspect.charts import drawn
from synflow.inspect.effort import effort
from synflow.inspect.funnel import funnel
from synflow.inspect.index import open_index, overview
from synflow.inspect.report import Album, html_report
from synflow.inspect.sheets import Sheet, missing, sheet
from synflow.inspect.spread import cut_spreads, distributions, histogram, keeping, offers, read_spread


class Page(HTMLParser):
    """What a browser would make of a page: tags with attributes, and the text a person reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inside: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.inside):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def page(handmade: Path) -> str:
    return html_report(open_index(handmade))


@pytest.fixture(scope="module")
def lived_page(lived: Path) -> str:
    return html_report(open_index(lived))


def test_it_asks_for_nothing_outside_itself(lived_page: str) -> None:
    for tag, attributes in Page(lived_page).tags:
        for name in ("src", "href", "data", "action", "srcset", "poster"):
            value = attributes.get(name, "")
            assert not value or value.startswith(("data:", "#")), (tag, name, value[:80])
    assert not re.search(r"@import|url\((?!.{0,3}\+)", lived_page)
    policy = next(
        a["content"] for t, a in Page(lived_page).tags if t == "meta" and "content-security" in str(a).lower()
    )
    assert "default-src 'none'" in policy
    script = re.search(r"<script>(.*)</script>", lived_page, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


def test_strange_texts_and_names_stay_texts(page: str, lived_page: str) -> None:
    for text in (page, lived_page):
        tags = Page(text).tags
        assert [tag for tag, _ in tags].count("script") == 1
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
        assert not [char for char in text if ord(char) < 32 and char not in "\n\t"]
        assert "\u202e" not in text
    assert "<script>alert(2)</script>" in Page(lived_page).words
    words = Page(page).words
    assert "\\u202e" in words and "\\x00" in words and "words)" in words
    assert len(HOSTILE) > 50_000 and words.count("word word") < 2_500


def test_the_same_run_gives_the_same_bytes_and_another_seed_others(lived: Path, lived_page: str) -> None:
    assert html_report(open_index(lived)) == lived_page
    assert html_report(open_index(lived), seed=1) != lived_page


def test_it_shows_what_the_tables_count(lived: Path, lived_page: str) -> None:
    index = open_index(lived)
    facts = overview(index)
    words = Page(lived_page).words
    assert f"pairs {facts['pairs']:,}" in words and f"clips kept {facts['kept']:,}" in words
    for name in facts["drops"]:
        stage, reason = name.split("/")
        assert f"{stage} · {reason} {facts['drops'][name]}" in words
    for task, number in facts["tasks"].items():
        if number:
            assert f"{task} {number}" in words
    assert "tokens read" in words and "Slowest shards" in words and "contradicted" in words


def test_rejects_have_pictures_and_the_measure_beside_its_limit(lived: Path, lived_page: str) -> None:
    dropped = lived_page[lived_page.index('id="dropped"') : lived_page.index('id="cuts"')]
    sheets = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', dropped)
    assert sheets
    for data in sheets:
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and picture.shape[0] == 120
    cuts = [row for row in pq.read_table(lived / "index/rejects.parquet").to_pylist() if row["reason"] == "too-small"]
    assert not cuts or "min_short_side" in dropped


def test_pairs_show_query_and_target(lived_page: str) -> None:
    pairs = lived_page[lived_page.index('id="pairs"') : lived_page.index('id="dropped"')]
    kinds = [attributes.get("class", "") for tag, attributes in Page(pairs).tags if tag == "div"]
    assert kinds.count("query") == kinds.count("target") >= 7
    assert 'data-frames="' in pairs and "Find the" in pairs


def test_what_is_damaged_is_a_tile(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    (root / "shards/t2v/t2v-000000.tar").unlink()
    torn = root / "shards/i2v/i2v-000000.tar"
    torn.write_bytes(b"\0" * torn.stat().st_size)
    shutil.copy(root / "shards/t2i/t2i-000000.tar", root / "t2i.tar")
    data = bytearray((root / "t2i.tar").read_bytes())
    data[:] = data.replace(b"\xff\xd8\xff", b"\0\0\0")
    (root / "shards/t2i/t2i-000000.tar").write_bytes(data)
    text = html_report(open_index(root))
    words = Page(text).words
    assert "t2v-000000.tar is missing" in words
    assert "does not hold pair" in words
    assert "damaged" in words


def test_the_file_stays_small() -> None:
    album = Album(room=1000)
    small, large = Sheet(b"x" * 600, 1, 8, 8), Sheet(b"y" * 601, 1, 8, 8)
    assert album.url(small).startswith("data:image/jpeg;base64,")
    assert album.url(large) == "" and album.left_out == 1
    assert album.url(missing("gone")) == "" and album.left_out == 1


def test_the_command_writes_the_file_whole(lived: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(lived), "--html", str(tmp_path / "r.html"), "--task", "t2v", "--sample", "1"]) == 0
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    assert len(re.findall(r'<article class="card pair"', text)) == 1
    assert "r.html" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    for wrong in (tmp_path, tmp_path / "no" / "r.html"):
        assert main(["inspect", str(lived), "--html", str(wrong)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 2


def test_the_funnel_adds_up(lived: Path) -> None:
    index = open_index(lived)
    facts = overview(index)
    steps = funnel(index, facts["kept"])
    assert steps[0].came == facts["kept"] + facts["dropped"]
    assert steps[-1].left == facts["kept"]
    assert all(one.left == after.came for one, after in itertools.pairwise(steps))
    assert [step.stage for step in steps][:3] == ["validate", "shots", "rectify"]


def test_thresholds_tell_what_they_keep() -> None:
    values = np.arange(1.0, 101.0)
    assert keeping(values, 50.0, "above") == 51 and keeping(values, 50.0, "below") == 50
    for side in ("above", "below"):
        told = offers(values, side)
        assert all(keeping(values, one.threshold, side) == one.keeps for one in told)
        assert told[-1].keeps == 100 and 49 <= told[0].keeps <= 51


def test_spreads_count_those_who_came_so_far(handmade: Path) -> None:
    spread = read_spread(open_index(handmade))
    cuts = {one.cut.reason: one for one in cut_spreads(open_index(handmade), spread)}
    blurred = cuts["blurred"]
    # 12 kept, 3 blurred, and the static clip, which `dynamics` dropped after it had passed.
    assert (blurred.judged, blurred.keeps, blurred.dropped) == (16, 13, 3)
    assert blurred.threshold == 50.0 and blurred.points[0] == 12.0
    assert sum(blurred.histogram.kept) == 12 and sum(blurred.histogram.dropped) == 4
    edges = np.array(blurred.histogram.edges)
    assert np.abs(edges - 50.0).min() < 1e-3, "the threshold is an edge"
    static = cuts["static-clip"]
    assert static.threshold == 1.0 and static.dropped == 1 and static.judged == 13
    assert "validate.duration" not in {one.name for one in distributions(spread)}, "the same for all says nothing"


def test_of_many_clips_every_nth_is_read(handmade: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synflow.inspect.spread.MOST_CLIPS", 7)
    spread = read_spread(open_index(handmade))
    assert spread.step == 3 and len(spread.ends) in (6, 7)


def test_a_chart_is_plain_svg_and_tells_its_numbers() -> None:
    shape = histogram(np.array([1.0, 2.0, 2.0, 9.0]), np.array([True, True, False, False]), 5.0)
    text = drawn(shape, 'a "label" & <more>', 5.0)
    assert text == drawn(shape, 'a "label" & <more>', 5.0)
    assert not re.search(r"<script|<style|style=|<!--|on\w+=", text)
    assert "threshold 5" in text and "1 clip, 1 of them dropped" in text
    assert "&lt;more&gt;" in text


def test_a_sheet_takes_frames_of_other_sizes() -> None:
    frames = [np.zeros((90, 160, 3), np.uint8), np.full((40, 40, 3), 255, np.uint8)]
    one = sheet(frames, [0.123, 4.0], 60)
    picture = cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (60, 2 * one.width, 3) and one.times == (0.12, 4.0)
    assert sheet([]).trouble


def test_a_log_with_nonsense_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(
        '{"event": "shard-done", "pass": "curate", "shard": "1", "seconds": "x", "counts": null, "usage": null}\n{"torn'
    )
    found = effort(tmp_path)
    assert found.passes[0].shards == 1 and found.passes[0].rate == 0.0


def test_an_empty_run_has_a_report(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    for name in ("pairs", "rejects", "clips"):
        path = root / "index" / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist([], schema=pq.read_schema(path)), path)
    words = Page(html_report(open_index(root))).words
    assert "This run made no pairs" in words and "Nothing was dropped" in words
