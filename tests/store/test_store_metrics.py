"""A run in numbers: what its events add up to, in a format that Prometheus reads, whatever the events hold."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from synflow.store.layout import RunLayout
from synflow.store.metrics import COUNTERS, GAUGES, Metrics, MetricsFile, metrics_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/watch-a-run.md").read_text(encoding="utf-8")


def shown(metrics: Metrics) -> dict[tuple[str, ...], float]:
    text = metrics.text().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[(one.name, *(str(value) for _, value in sorted(one.labels.items())))] = one.value
    return found


def done(shard: int, **more: Any) -> dict[str, Any]:
    usage = {"calls": 3, "hits": 1, "decoded": 2, "prompt_tokens": 10, "stages": {"shots": 0.5}}
    value = {"event": "shard-done", "pass": "curate", "shard": f"{shard}", "counts": {"inputs": 8}, "seconds": 2.0}
    return {**value, "drops": {"quality/black": 2}, "pairs": {"t2v": 4}, "usage": usage, **more}


def test_events_add_up() -> None:
    metrics = Metrics()
    for event in (
        {"event": "run-started", "passes": []}, {"event": "executor-opened", "workers": 4, "dashboard": ""},
        {"event": "pass-started", "pass": "curate", "shards": 3, "done": 0}, done(0), done(1),
        {"event": "shard-retry", "pass": "curate", "shard": "2"},
        {"event": "shard-failed", "pass": "curate", "shard": "2"},
        {"event": "pass-settled", "pass": "curate", "stages": {"dedup": 1.25}}, done(1),
    ):  # fmt: skip
        metrics.take(event)
    found = shown(metrics)
    assert found["synflow_shards", "curate"] == 3 and found["synflow_shards_done", "curate"] == 2
    assert found["synflow_shards_failed", "curate"] == 1 and found["synflow_shard_retries_total", "curate"] == 1
    assert found["synflow_pairs", "curate", "t2v"] == 8, "a shard that was done twice holds its pairs once"
    assert found["synflow_dropped", "black", "quality"] == 4
    assert found["synflow_inputs_total", "curate"] == 24, "and was worked on twice"
    assert (
        found["synflow_stage_seconds_total", "shots"] == 1.5 and found["synflow_stage_seconds_total", "dedup"] == 1.25
    )
    assert found["synflow_tokens_total", "read"] == 30 and found["synflow_workers",] == 4
    assert found["synflow_complete",] == 0
    metrics.take({"event": "finished"})
    assert shown(metrics)["synflow_complete",] == 1


@pytest.mark.parametrize(
    "event",
    [
        {}, {"event": 7}, {"event": "shard-done"}, done(0, usage="x"),
        done(0, drops=[1], pairs=None, counts=3, seconds=True),
        done(0, time="yesterday"), {"event": "pass-settled", "stages": {"a": "b"}},
        done(0, usage={"stages": {"a": None}}),
        done(0, drops={'</script>"\n\\ \u202e\U0001f984': 1}),
        {"event": "pass-started", "pass": 'a"b\n', "shards": "many"},
    ],
)  # fmt: skip
def test_events_that_make_no_sense_and_hostile_names_do_no_harm(event: dict[str, Any]) -> None:
    metrics = Metrics()
    metrics.take({"event": "pass-started", "pass": "curate", "shards": 1})
    metrics.take(event)
    assert shown(metrics)["synflow_shards", "curate"] == 1


def test_the_file_is_written_whole_and_goes_on_where_the_log_was(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    layout.log.write_text(json.dumps({"time": "2026-01-02T03:04:05.000+00:00", **done(0)}) + "\n{torn\n")
    file = MetricsFile(layout)
    file({"event": "run-started", "passes": []})
    file(done(1))
    file.write()
    lines = layout.metrics.read_text()
    assert 'synflow_inputs_total{pass="curate"} 16.0' in lines
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["metrics.prom"]
    old = metrics_of(layout)
    assert shown(old)["synflow_last_event_timestamp_seconds",] == 1767323045.0
    MetricsFile(RunLayout(tmp_path / "gone")).write()


def test_every_metric_stands_on_its_page_and_the_dashboard_uses_no_other() -> None:
    names = {*GAUGES, *(f"{name}_total" for name in COUNTERS)}
    assert set(re.findall(r"^\| `(synflow_\w+)` \|", PAGE, re.MULTILINE)) == names
    board = json.loads((ROOT / "docker/grafana-dashboard.json").read_text(encoding="utf-8"))
    used = {
        name
        for panel in board["panels"]
        for one in panel["targets"]
        for name in re.findall(r"synflow_\w+", one["expr"])
    }
    assert used == names
    places = [tuple(panel["gridPos"][key] for key in "xy") for panel in board["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in board["panels"]})


def test_every_event_and_field_of_the_log_stands_on_its_page() -> None:
    told = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \|", PAGE, re.MULTILINE))
    found: dict[str, set[str]] = {}
    for path in (ROOT / "synflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Dict):
                continue
            values = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
            if isinstance(event := values.get("event"), ast.Constant):
                found.setdefault(str(event.value), set()).update(set(map(str, values)) - {"event", "time"})
    assert len(found) > 10 and set(found) == set(told)
    for event, fields in found.items():
        lost = {field for field in fields if f"`{field}`" not in told[event]}
        assert not lost, (event, lost)
