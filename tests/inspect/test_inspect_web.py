"""The web page shows what the tables hold, lets in who has the token, and no strange text, path or damage breaks it."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from handmade import HOSTILE, name_of, write_run
from rich.console import Console
from starlette.testclient import TestClient

from stages.exclude import entries
from synflow.cli import main
from synflow.commands.status import state_view
from synflow.datafile import NamedFile
from synflow.errors import UsageError
from synflow.inspect.effort import effort
from synflow.inspect.index import open_index
from synflow.inspect.pages import environment
from synflow.inspect.web.app import web_app
from synflow.inspect.web.marks import Marks
from synflow.inspect.web.query import Tables, wish
from synflow.replay import replay
from synflow.store.layout import RunLayout
from synflow.store.log import RunLog
from synflow.store.newest import newest_pairs
from synflow.store.survey import survey

TOKEN = "a-token"
NOWHERE = (
    "/pairs/zzzz", "/pairs/..%2f..%2fetc%2fpasswd", "/static/..%2fpages.py", "/static/desk.html",
    "/strip/999/query.jpg", "/export/..%2frun.json", "/export/run.json",
    "/pairs/%00", "/strip/-1/query.jpg", "/film/0/..%2f0.mp4",
    "/replay?key=quality.max_black&value=x", "/replay?key=run.json&value=1",
)  # fmt: skip
PAGES = ("/", "/pairs", "/dropped", "/thresholds", "/compare", "/marks")


OPENED: list[TestClient] = []


def visitor(root: Path, other: Path | None = None) -> TestClient:
    app = web_app(root, TOKEN, other=other, replayer=lambda place, sets: replay(place, sets).as_json())
    client = TestClient(app, base_url="http://127.0.0.1:8350")
    client.cookies.set("synflow-8350", TOKEN)
    OPENED.append(client)
    return client


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """End the children that decode."""
    yield
    for client in OPENED:
        client.app.state.desk.pictures.close()  # type: ignore[attr-defined]
        client.close()


@pytest.fixture(scope="module")
def desk(handmade: Path) -> Iterator[TestClient]:
    yield visitor(handmade)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A run of one's own, in a folder whose name would be a pattern."""
    root = tmp_path / "run [1]*"
    root.mkdir()
    return write_run(root)


def test_only_the_token_opens_it(handmade: Path) -> None:
    client = TestClient(web_app(handmade, TOKEN), base_url="http://127.0.0.1:8350")
    for page in (*PAGES, "/strip/0/query.jpg", "/static/look.css", "/nowhere"):
        assert client.get(page).status_code == 403, page
    assert client.get("/pairs?token=wrong").status_code == 403
    first = client.get(f"/pairs?task=t2v&token={TOKEN}", follow_redirects=False)
    assert first.status_code == 303 and first.headers["location"] == "/pairs?task=t2v"
    assert (
        "httponly" in first.headers["set-cookie"].lower() and "samesite=strict" in first.headers["set-cookie"].lower()
    )
    assert client.get("/pairs").status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/mark", data={"id": "x"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_every_page_has_a_strict_policy_and_nothing_inline(desk: TestClient) -> None:
    for page in (*PAGES, f"/pairs/{name_of('t2v', 0)}"):
        answer = desk.get(page)
        assert answer.status_code == 200, page
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        for mark in (" style=", "<style", " onclick", "javascript:", "https://", "<script>"):
            assert mark not in answer.text, (page, mark)
        assert "<script src=" in answer.text


def test_hostile_texts_and_names_stay_texts(lived: Path) -> None:
    client = visitor(lived)
    rejects = pq.read_table(lived / "index/rejects.parquet").to_pylist()
    pairs = pq.read_table(lived / "index/pairs.parquet").to_pylist()
    texts = [client.get(page).text for page in (*PAGES, *(f"/pairs/{row['id']}" for row in pairs[:3]))]
    assert "&lt;img src=x" in "".join(texts), "the strange file name is shown"
    for text in texts:
        assert "<img src=x" not in text and "<script>alert" not in text
    assert rejects and client.get("/clip/0.jpg").status_code == 200


def test_a_caption_of_ten_thousand_words_is_cut_and_made_safe(desk: TestClient) -> None:
    for page in ("/pairs?task=t2v", f"/pairs/{name_of('t2v', 0)}"):
        text = desk.get(page).text
        assert "\\u202e" in text and "\u202e" not in text and "\x00" not in text and "\x1b" not in text
        assert len(text) < len(HOSTILE), page


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("", 28), ("task=t2v", 4), ("domain=cmp", 8), ("style=frame", 4), ("emphasis=spatial", 4), ("q=NUMBER%202.", 5),
        ("source=v3.mp4", 7), ("score=consistency&least=0.3", 28), ("score=consistency&most=0.3", 0),
        ("score=nothing&least=0", 0), ("task=t2v&q=number%203.", 1), ("marked=bad", 0), ("q=%25", 0), ("q=_umber", 0),
        ("task=' OR 1=1 --", 0), ("least=nan&score=consistency", 28), ("start=x", 28), ("sort=DROP TABLE", 28),
    ],
)  # fmt: skip
def test_filters_of_pairs(desk: TestClient, asked: str, number: int) -> None:
    answer = desk.get(f"/pairs?{asked}")
    assert answer.status_code == 200
    assert (f"of {number}</span>" if number else "No pair is like that") in answer.text
    assert answer.text.count('<article class="card pair"') == min(number, 20)


def test_filters_of_what_was_dropped(desk: TestClient) -> None:
    for asked, number in (("", 7), ("stage=quality", 3), ("reason=static-clip", 1), ("q=boiler", 0), ("q=line", 1)):
        text = desk.get(f"/dropped?{asked}").text
        assert text.count('<article class="card"') == number, asked
    text = desk.get("/dropped?score=quality.sharpness&most=13").text
    assert text.count('<article class="card"') == 2 and "≥ 50 (min_sharpness)" in text


def test_pages_follow_one_another_and_miss_nothing(handmade: Path) -> None:
    tables = Tables(open_index(handmade))
    for sort in ("stored", "high", "low", "long", "short"):
        seen: list[int] = []
        for start in range(0, 28, 9):
            asked = wish("pairs", {"sort": sort, "score": "consistency", "start": str(start)})
            seen += tables.places(asked, 9)[:9]
        assert sorted(seen) == list(range(28)), sort
    rows = tables.rows("pairs", [27, 3, 0])
    assert [row["row"] for row in rows] == [27, 3, 0] and rows[0]["scores"] == {"consistency": 0.31}


def test_sorts_order_rows(handmade: Path) -> None:
    tables = Tables(open_index(handmade))
    long = [len(row["query_text"]) for row in tables.rows("pairs", tables.places(wish("pairs", {"sort": "long"})))]
    assert long == sorted(long, reverse=True) and long[0] == len(HOSTILE)
    low = wish("rejects", {"sort": "low", "score": "quality.sharpness"})
    values = [row["measures"].get("quality.sharpness") for row in tables.rows("rejects", tables.places(low))]
    assert values[:4] == [12.0, 13.0, 14.0, 90.0] and values[4:] == [None] * 3


def test_pictures_come_from_the_shard(desk: TestClient) -> None:
    for address in ("/strip/0/target.jpg", "/frame/0/target/7.jpg"):
        answer = desk.get(address)
        assert answer.headers["content-type"] == "image/jpeg" and answer.content[:3] == b"\xff\xd8\xff"
    for address in ("/frame/0/target/99.jpg", "/frame/0/nothing/0.jpg", "/strip/0/query.jpg", "/clip/0.jpg"):
        answer = desk.get(address)
        assert answer.status_code == 200 and answer.headers["x-synflow-missing"] == "1", address
        assert answer.headers["content-type"].startswith("image/svg+xml")


def test_films_are_sent_in_parts(lived: Path) -> None:
    client = visitor(lived)
    rows = pq.read_table(lived / "index/pairs.parquet", columns=["task"]).to_pylist()
    place = next(i for i, row in enumerate(rows) if row["task"] == "t2v")
    whole = client.get(f"/film/{place}/target.mp4")
    assert whole.status_code == 200 and whole.content[4:8] == b"ftyp" and whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    for asked, part in (
        ("bytes=0-99", whole.content[:100]),
        ("bytes=10-", whole.content[10:]),
        ("bytes=-7", whole.content[-7:]),
        (f"bytes=5-{size + 50}", whole.content[5:]),
    ):
        answer = client.get(f"/film/{place}/target.mp4", headers={"range": asked})
        assert answer.status_code == 206 and answer.content == part, asked
        assert answer.headers["content-range"].endswith(f"/{size}")
    assert client.get(f"/film/{place}/target.mp4", headers={"range": f"bytes={size}-"}).status_code == 416
    assert client.get(f"/film/{place}/query.mp4").status_code == 404
    assert "<video controls" in client.get(f"/pairs/{open_index(lived).rows('pairs', 'task', ['t2v'])[0]['id']}").text


def test_a_pair_tells_all_it_came_from(lived: Path) -> None:
    row = next(row for row in open_index(lived).rows("pairs", "task", ["t2v", "t2i"]) if row["model"])
    text = visitor(lived).get(f"/pairs/{row['id'][:12]}").text
    for word in ("source", "clip", "stage", "validate", "model", "signals", "shard"):
        assert word in text
    assert "The answer as received" in text and "The prompt as sent, after " in text
    assert "Answer" in text.split("The prompt as sent")[1] and "did not keep the prompt" not in text


def test_of_an_older_journal_the_prompt_is_shown_unfilled_and_said_to_be(lived: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(lived, root)
    for path in root.glob("journal/*/*.jsonl"):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        path.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "sent"}) + "\n" for line in lines))
    row = next(row for row in open_index(root).rows("pairs", "task", ["t2v", "t2i"]) if row["model"])
    text = visitor(root).get(f"/pairs/{row['id']}").text
    assert "The prompt, before its slots were filled" in text and "its digest is" in text
    assert "The answer as received" in text and "The prompt as sent" not in text


def test_ranks_and_negatives_of_a_pair_are_shown_and_hostile_ones_stay_texts(lived: Path, tmp_path: Path) -> None:
    shown = environment(lambda _sheet: "", lambda *_: "").from_string(
        '{% import "parts.html" as parts with context %}{{ parts.needed(row) }}{{ parts.negatives(found) }}'
    )
    scores = {"need.both": 2.0, "need.text": 40.0, "need.reference": 17.0, "need.rivals": 300.0}
    made = {"kind": "reversed-order", "negative_text": "<script>alert(3)</script> \u202eodd"}
    mined = {"kind": "mined", "negative_pair_id": "0abc", "negative_text": "", "rank": 3, "score": 0.25}
    backward = {"kind": "reversed-video", "negative_clip_id": "c1"}
    text = shown.render(row={"scores": scores}, found=[made, mined, backward])
    assert "reversed-video" in text and "from its last frame to its first" in text
    for word in ("rank <b>2</b> of 301", "text alone at 40", "reference alone at 17", "rank 3", "score 0.25", "0abc"):
        assert word in text, word
    assert "<script>" not in text and "\u202e" not in text
    assert shown.render(row={"scores": {}}, found=[]).strip() == ""


def test_addresses_that_lead_nowhere_say_so(desk: TestClient) -> None:
    for address in NOWHERE:
        answer = desk.get(address)
        assert answer.status_code in (404, 200) and "root:" not in answer.text, address
        assert answer.status_code == 404 or "x-synflow-missing" in answer.headers, address


def test_damage_is_a_tile_and_never_an_error(own: Path) -> None:
    (own / "shards/t2v/t2v-000000.tar").unlink()
    torn = own / "shards/i2v/i2v-000000.tar"
    torn.write_bytes(b"\0" * torn.stat().st_size)
    client = visitor(own)
    rows = pq.read_table(own / "index/pairs.parquet", columns=["id", "task"]).to_pylist()
    for task in ("t2v", "i2v"):
        place, name = next((i, row["id"]) for i, row in enumerate(rows) if row["task"] == task)
        assert client.get(f"/strip/{place}/target.jpg").headers["x-synflow-missing"] == "1"
        page = client.get(f"/pairs/{name}")
        assert page.status_code == 200 and 'class="hole"' in page.text
        assert client.get(f"/film/{place}/target.mp4").status_code == 404
    assert client.get("/pairs").status_code == 200
    (own / "index/rejects.parquet").write_bytes(b"PAR1 no more")
    answer = visitor(own).get("/dropped")
    assert answer.status_code == 410 and "synflow verify" in answer.text


def test_an_index_that_names_a_file_outside_the_run_reads_nothing(own: Path) -> None:
    path = own / "index/pairs.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("shard")
    outside = ["../../../../etc/passwd"] * len(table)
    pq.write_table(table.set_column(place, table.schema.field(place), [outside]), path)
    answer = visitor(own).get("/strip/0/target.jpg")
    assert answer.headers["x-synflow-missing"] == "1" and "root:" not in answer.text


def test_marks_are_kept_changed_exported_and_taken_away(own: Path) -> None:
    client = visitor(own)
    one, two = name_of("t2v", 1), name_of("t2i", 2)
    note = "wrong <b>colour</b>\n\x00 \u202e" + "x" * 5000
    assert client.post("/mark", data={"id": one, "mark": "bad", "note": note}).status_code == 200
    assert (
        client.post("/mark", data={"id": two, "mark": "good"}, headers={"accept": "application/json"}).status_code
        == 204
    )
    lines = [json.loads(line) for line in client.get("/export/marks.jsonl").text.splitlines()]
    assert [(line["id"], line["mark"]) for line in lines] == [(one, "bad"), (two, "good")]
    assert lines[0]["source_uri"] == "videos/v1.mp4" and len(lines[0]["note"]) <= 2000
    assert len(client.get("/export/marks.jsonl?mark=bad").text.splitlines()) == 1
    assert "<b>colour" not in client.get("/marks").text and "&lt;b&gt;colour" in client.get("/marks").text
    assert "of 1</span>" in client.get("/pairs?marked=bad").text
    client.post("/mark", data={"id": one, "mark": "good", "note": "no, fine"})
    assert Marks(own).all()[one]["mark"] == "good"
    client.post("/mark", data={"id": one, "mark": ""})
    assert list(Marks(own).all()) == [two]
    assert client.post("/mark", data={"id": "zz", "mark": "bad"}).status_code == 404
    assert client.post("/mark", content=b"x" * 100_000).status_code == 413


def test_sources_of_bad_pairs_are_a_list_that_fingerprint_takes(lived: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(lived, root)
    client = visitor(root)
    rows = open_index(root).rows("pairs", "task", ["t2v"])[:2]
    for row in rows:
        client.post("/mark", data={"id": row["id"], "mark": "bad"})
    text = client.get("/export/exclude.jsonl").text
    assert {json.loads(line)["id"] for line in text.splitlines()} == {row["record_id"] for row in rows}
    (tmp_path / "exclude.jsonl").write_text(text, encoding="utf-8")
    out = tmp_path / "bad.hashes.jsonl"
    assert main(["fingerprint", str(tmp_path / "exclude.jsonl"), "--out", str(out)]) == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) > 1


def test_marks_survive_a_torn_line(own: Path) -> None:
    Marks(own).set({"id": "a", "task": "t2v", "record_id": "r", "clip_id": "c", "source_uri": "v"}, "bad", "")
    with (own / "marks.jsonl").open("ab") as file:
        file.write(b'{"id": "b", "mar\n[1]\n')
    assert list(Marks(own).all()) == ["a"]


def test_replay_tells_what_another_threshold_does(lived: Path) -> None:
    client = visitor(lived)
    page = client.get("/thresholds").text
    assert 'name="key" value="quality.max_black"' in page and 'type="range"' in page
    text = client.get("/replay?key=validate.min_short_side&value=1000").text
    kept = sum(row["kept"] for row in pq.read_table(lived / "index/clips.parquet", columns=["kept"]).to_pylist())
    assert f"<small>were {kept}</small>" in text and ">0 <small>" in text and "too-small" in text


def test_two_runs_are_compared(lived: Path, handmade: Path, own: Path) -> None:
    text = visitor(own, handmade).get("/compare").text
    assert "they are the same run" in text and "<dd>28</dd>" in text
    text = visitor(lived, handmade).get("/compare").text
    assert "inputs.records" in text and "min_sharpness" in text and "Clips kept only here" in text
    with pytest.raises(UsageError):
        web_app(lived, TOKEN, other=lived / "objects")


def test_a_run_under_way_shows_how_far_it_is(lived: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(lived, root)
    (root / "dataset.json").rename(root / "held")
    client = visitor(root)
    text = client.get("/").text
    assert "is not finished" in text and "curate" in text and 'http-equiv="refresh"' in text
    assert client.get("/pairs").status_code == 409
    (root / "held").rename(root / "dataset.json")
    assert "From input to pairs" in client.get("/").text and client.get("/pairs").status_code == 200


def test_a_port_that_is_taken_is_told_in_two_lines(handmade: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["inspect", str(handmade), "--serve", "--port", str(taken.getsockname()[1])]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 2 and "cannot listen on 127.0.0.1" in told[0]


def test_what_was_marked_bad_is_a_list_for_the_next_run(own: Path, tmp_path: Path) -> None:
    client = visitor(own)
    one, two, good = name_of("t2v", 1), name_of("t2i", 1), name_of("t2t", 2)
    client.post("/mark", data={"id": one, "mark": "bad", "note": "wrong"})
    client.post("/mark", data={"id": two, "mark": "bad"})
    client.post("/mark", data={"id": good, "mark": "good"})
    told = {
        kind: [json.loads(line) for line in client.get(f"/export/bad-{kind}.jsonl").text.splitlines()]
        for kind in ("pairs", "clips", "records")
    }
    assert told["pairs"] == [{"note": "wrong", "pair": one}, {"pair": two}]
    assert [line["clip"] for line in told["clips"]] == [name_of("clip", 1)]
    assert [line["record"] for line in told["records"]] == ["r1"]
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for lines in told.values() for line in lines))
    named = set(entries(NamedFile(path=str(path))))
    assert named == {("pair", one), ("pair", two), ("clip", name_of("clip", 1)), ("record", "r1")}
    assert client.get("/export/bad-things.jsonl").status_code == 404


@pytest.fixture
def under_way(lived: Path, tmp_path: Path) -> Path:
    """A run that has its pairs and is not finished."""
    root = tmp_path / "run"
    shutil.copytree(lived, root)
    (root / "dataset.json").unlink()
    return root


def test_a_run_under_way_shows_its_newest_pairs_with_pictures(under_way: Path) -> None:
    client = visitor(under_way)
    page = client.get("/").text
    assert "Newest pairs" in page and page.count('<article class="card pair"') == 6
    assert "<img src=x" not in page and "<script>alert" not in page
    addresses = re.findall(r"/newest/[^\"]+\.jpg", page)
    assert addresses
    for address in addresses:
        answer = client.get(address)
        assert answer.headers["content-type"] == "image/jpeg" and answer.content[:3] == b"\xff\xd8\xff"
    for address in ("/newest/zz/query.jpg", addresses[0].replace("query", "id").replace("target", "id")):
        assert client.get(address).headers["x-synflow-missing"] == "1"
    for path in (under_way / "objects").iterdir():
        path.unlink()
    assert client.get("/").status_code == 200


def test_the_terminal_shows_them_too(under_way: Path) -> None:
    state, pairs = survey(under_way), newest_pairs(RunLayout(under_way), 5)
    console = Console(file=io.StringIO(), width=160)
    console.print(state_view(state, pairs))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert len(pairs) == 5 and "Newest pairs" in text and text.count("→") == 5
    assert all(len(line) <= 160 for line in text.splitlines())


def test_a_dashboard_is_linked_only_where_it_is_a_web_address(under_way: Path) -> None:
    client = visitor(under_way)
    for told, linked in (("http://10.0.0.5:8265", True), ("javascript:alert(1)", False), ("", False)):
        RunLog(under_way / "log.jsonl")({"event": "executor-opened", "workers": 2, "dashboard": told})
        assert ("its own page" in client.get("/").text) is linked, told
        assert "javascript:" not in client.get("/").text


def test_metrics_are_for_who_has_the_token(lived: Path) -> None:
    client = TestClient(web_app(lived, TOKEN), base_url="http://127.0.0.1:8350")
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/pairs", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 403
    answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200 and "synflow_complete 1.0" in answer.text
    beside = (lived / "metrics.prom").read_text()
    assert [line for line in beside.splitlines() if "timestamp" not in line] == [
        line for line in answer.text.splitlines() if "timestamp" not in line
    ]
    spent = set(re.findall(r'synflow_stage_seconds_total{stage="(\w+)"}', answer.text))
    assert {"validate", "shots", "dedup", "enrich", "expand"} <= spent


def test_the_log_tells_the_seconds_of_each_stage_and_the_report_ranks_them(lived: Path) -> None:
    found = effort(lived)
    assert {"validate", "shots", "dynamics", "dedup", "quota"} <= {one.name for one in found.stages}
    assert [one.seconds for one in found.stages] == sorted((one.seconds for one in found.stages), reverse=True)
    assert abs(sum(one.share for one in found.stages) - 1) < 1e-9
    assert sum(one.seconds for one in found.stages) < 1.05 * sum(one.seconds for one in found.passes) + 1
