"""Hard negatives of a finished run: tables beside its shards, one set for each prober, settings and state of the run.

``negatives/<version>/<task>.parquet`` hold the negatives, ``negatives/<version>/negatives.json`` says what they were
made from and is written last: tables without it are litter. Shards are never touched. ``negatives/vectors/<prober>/``
keeps vectors for the next time; nothing depends on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synflow.durable import Attempt, forget, make_folder, publish_file
from synflow.errors import Damage, Refused, UsageError
from synflow.ids import canonical, digest, digest_of
from synflow.records import TASKS
from synflow.store.index import read_parquet, write_parquet
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef
from synflow.store.report import Finding, VerifyReport, check_file, names_in

KINDS = {
    "mined": "a target of another pair, near the query by the prober",
    "segment": "another part of the video that the target is from",
    "reversed-order": "the query's text with its events in another order",
    "attribute": "the query's text with one attribute changed",
    "reversed-video": "the pair's own target with its frames from last to first",
}
"""Where a negative comes from."""

NEGATIVES = pa.schema(
    [
        ("pair_id", pa.string()), ("kind", pa.string()), ("negative_pair_id", pa.string()),
        ("negative_clip_id", pa.string()), ("negative_text", pa.string()), ("score", pa.float64()),
        ("rank", pa.int64()), ("prober", pa.string()),
    ]
)  # fmt: skip
"""A row is one negative of one pair, the nearest first.

``negative_pair_id`` is a pair whose target is the negative, ``negative_clip_id`` the clip of that target; where the
negative is a text, ``negative_text`` holds it. ``reversed-video`` names no other pair: its pictures are those of the
pair's own target, from last to first, and ``negative_clip_id`` is that clip. ``score`` is the prober's, of the query
and the negative; ``rank`` its place among the targets that the margin leaves, from 1; both are null where the prober
did not compare.
"""

RECEIPT = "negatives.json"
VECTORS = "vectors"


def folder_of(layout: RunLayout) -> Path:
    """Return where all negatives of a run are."""
    return layout.root / "negatives"


def version_of(made_from: Mapping[str, Any]) -> str:
    """Return the name of the negatives that were made from this: prober, settings, digest of the dataset."""
    return digest_of(dict(made_from))[:16]


def publish_negatives(
    layout: RunLayout, made_from: Mapping[str, Any], rows: Mapping[str, Sequence[Mapping[str, Any]]],
    report: Mapping[str, Any],
) -> Path:  # fmt: skip
    """Write the tables, then what they were made from; return their folder. The same input gives the same bytes.

    Args:
        layout: of the run.
        made_from: what `version_of` goes by.
        rows: negatives by task.
        report: what was counted.
    """
    folder = folder_of(layout) / version_of(made_from)
    make_folder(folder)
    tables = {}
    with Attempt(layout.staging) as attempt:
        for task in (task for task in TASKS if task in rows):
            draft = attempt.draft(f"{task}.parquet")
            count = write_parquet(draft, NEGATIVES, rows[task])
            draft.close()
            _place(draft.path, folder / f"{task}.parquet")
            tables[task] = {"rows": count, "bytes": draft.size, "sha256": draft.digest}
        for path in names_in(folder):
            if path.name != RECEIPT and path.stem not in tables:
                forget(path)
        value = {"format": 1, "made_from": dict(made_from), "tables": tables, "report": dict(report)}
        draft = attempt.draft(RECEIPT)
        draft.write(json.dumps(json.loads(canonical(value)), indent=2, sort_keys=True).encode() + b"\n")
        draft.close()
        _place(draft.path, folder / RECEIPT)
    return folder


def _place(path: Path, target: Path) -> None:
    """Give a finished file its name; what an attempt before left under it is replaced."""
    if not publish_file(path, target):
        forget(target)
        publish_file(path, target)


def versions(layout: RunLayout) -> list[str]:
    """Return the names of all negatives of a run that are complete, in the order of their names."""
    return [path.name for path in names_in(folder_of(layout)) if (path / RECEIPT).is_file()]


def read_receipt_of(layout: RunLayout, version: str) -> dict[str, Any]:
    """Return what ``negatives.json`` says.

    Raises:
        UsageError: there are no such negatives. Damage: it cannot be read.
    """
    path = folder_of(layout) / version / RECEIPT
    remedy = f"`synflow mine {layout.root} --embedder E` makes them"
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
        for task in value["tables"]:
            ObjectRef(name=task, **value["tables"][task])
        value["made_from"]["dataset"]
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{layout.root} has no negatives {version!r}", remedy) from None
    except (ValueError, KeyError, TypeError) as error:
        raise Damage(f"{path} cannot be read", f"remove {path.parent}, then {remedy}") from error
    return value


def read_negatives(root: Path, version: str = "") -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the negatives of a run: task -> pair id -> rows, the nearest first.

    Args:
        root: folder of the run.
        version: which; it may be left out where there is only one that fits the run.

    Raises:
        UsageError: there are none, or several. Refused: they were made from another state of the run.
        Damage: a table is not as promised.
    """
    layout = RunLayout(root)
    if not version:
        fitting = [one for one in versions(layout) if not is_stale(layout, read_receipt_of(layout, one))]
        if len(fitting) != 1:
            what = f"has {len(fitting)} sets of negatives: {', '.join(fitting)}" if fitting else "has no negatives"
            raise UsageError(f"{root} {what}", f"name one, or make them: `synflow mine {root} --embedder E`")
        version = fitting[0]
    value = read_receipt_of(layout, version)
    if is_stale(layout, value):
        raise Refused(
            f"the negatives {version} were made from another state of {root}", f"`synflow mine {root} --embedder E`"
        )
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for task, ref in value["tables"].items():
        path = folder_of(layout) / version / f"{task}.parquet"
        if wrong := check_file(path, ObjectRef(name=task, **ref)):
            raise Damage(f"{path} {wrong}", f"`synflow mine {root} --embedder E` makes it again")
        rows = found.setdefault(task, {})
        for row in read_parquet(path).to_pylist():
            rows.setdefault(row["pair_id"], []).append(row)
    return found


def is_stale(layout: RunLayout, value: Mapping[str, Any]) -> bool:
    """Tell whether negatives were made from another state of the run than the present one."""
    return bool(value["made_from"]["dataset"] != dataset_digest(layout))


def dataset_digest(layout: RunLayout) -> str:
    """Return the digest of ``dataset.json``, which names every shard; empty where there is none."""
    try:
        return digest(layout.dataset.read_bytes())
    except FileNotFoundError:
        return ""


def verify_negatives(layout: RunLayout, report: VerifyReport) -> None:
    """Re-hash all negatives of a run; what is unfinished or of another state of the run is litter."""
    for folder in names_in(folder_of(layout)):
        where = f"negatives/{folder.name}"
        if folder.name == VECTORS:
            report.litter.extend(_damaged_vectors(layout, folder))
            continue
        if not (folder / RECEIPT).is_file():
            report.litter.append(Finding(where, "left by a mining that did not end"))
            continue
        try:
            value = read_receipt_of(layout, folder.name)
        except Damage:
            report.damage.append(Finding(f"{where}/{RECEIPT}", "cannot be read"))
            continue
        if version_of(value["made_from"]) != folder.name:
            report.damage.append(Finding(f"{where}/{RECEIPT}", "is of other negatives than its folder says"))
        if is_stale(layout, value):
            report.litter.append(Finding(where, "made from another state of the run"))
        for task, table in value["tables"].items():
            ref = ObjectRef(name=task, **table)
            report.objects += 1
            report.bytes += ref.bytes
            if wrong := check_file(folder / f"{task}.parquet", ref):
                report.damage.append(Finding(f"{where}/{task}.parquet", f"{wrong}; `synflow mine` makes it again"))
        for path in names_in(folder):
            if path.name != RECEIPT and path.stem not in value["tables"]:
                report.litter.append(Finding(f"{where}/{path.name}", "negatives.json does not name it"))


def _damaged_vectors(layout: RunLayout, folder: Path) -> Iterator[Finding]:
    for prober in names_in(folder):
        for path in names_in(prober):
            if check_file(path, ObjectRef(name=path.name, bytes=path.stat().st_size, sha256=path.stem)):
                where = str(path.relative_to(layout.root))
                yield Finding(where, "vectors that are damaged; `synflow mine` embeds them anew")
