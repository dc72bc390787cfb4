"""Curation side by side with the peers on the same files: CPU, memory, time, and what each found.

``python benchmarks/curate.py [VIDEOS] [--peers synflow,ray-data,...|all] [--runs 3] [--json FILE]`` cuts equal clips
of 8 s from a folder of videos (the real clips beside the checkout, else a rendered world), adds an exact copy, a
re-encoded copy, a torn file and a text file, and runs each pipeline on them, and on four times as many clips, so that
start-up and the cost of a clip come apart. A second, small set of known edits shows what each finds. All are
installed once, each in an environment of its own under ``runs/peers``; no peer is without being named. One that cannot
be installed or ends with an error is listed with that error. With ``--uncut`` the videos are taken as they are, and
what synflow takes stands beside a bare decode of all their pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
from kit.corpus import CACHE, default_videos, peers_corpus
from kit.watch import Usage, machine, spread, watched
from peers.environments import ENVIRONMENTS, HERE, installed, python_of, state_of

SCRIPTS = {
    "ray-data": "ray_data.py",
    "daft": "daft_frames.py",
    "data-juicer": "data_juicer.py",
    "video2dataset": "video2dataset_clips.py",
    "nemo-curator": "nemo_curator_clips.py",
}
DID = {
    "synflow": "one decode; cuts, captions, quality, motion, copies; hashed tars",
    "ray-data": "one decode; motion, blur, brightness, phash, copies; tars",
    "daft": "decode at two pictures a second only",
    "data-juicer": "duration, size, aspect, motion, exact copies",
    "video2dataset": "fetch, cuts, clips, tars; no filter",
    "nemo-curator": "clips, re-encode, motion; no copies",
}
MANIFEST = """
version: 1
name: curate
inputs: [{{clips: "{list}", licence: unknown}}]
executor: {{use: serial}}
stages: [validate, shots, rectify, quality, dynamics, dedup]
"""
PEER_ENV = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
"""Workers of Ray run as eagerly as everyone's; nothing is reported anywhere."""

LIMIT = 1800.0
"""Seconds after which a run is stopped."""


@dataclass
class Runs:
    """What a pipeline took and did.

    Attributes:
        usage: runs on the small and on the large corpus. verdicts: what became of the planted files and edits.
        error: why there are none.
    """

    title: str
    usage: dict[str, list[Usage]] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    note: str = ""
    error: str = ""


def command_of(peer: str, corpus: Path, out: Path) -> list[str]:
    """Return the command line of a pipeline."""
    if peer != "synflow":
        return [str(python_of(peer)), str(HERE / SCRIPTS[peer]), str(corpus), str(out)]
    manifest = out / "manifest.yaml"
    manifest.write_text(MANIFEST.format(list=corpus / "videos.jsonl"))
    return [str(python_of(peer)), "-m", "synflow", "run", str(manifest), "--out", str(out / "run")]


def told_by(peer: str, out: Path) -> dict[str, Any]:
    """Return ``kept`` ids and ``dropped`` ids with reasons, as a pipeline left them."""
    if peer != "synflow":
        found: dict[str, Any] = json.loads((out / "kept.json").read_text())
        return found
    import pyarrow.parquet as pq

    clips = pq.read_table(out / "run" / "index" / "clips.parquet", columns=["record_id", "kept"]).to_pylist()
    kept = {row["record_id"] for row in clips if row["kept"]}
    drops = pq.read_table(out / "run" / "index" / "rejects.parquet", columns=["record_id", "reason"]).to_pylist()
    return {
        "kept": sorted(kept),
        "dropped": {row["record_id"]: row["reason"] for row in drops if row["record_id"] not in kept},
    }


def run_once(peer: str, corpus: Path, out: Path) -> tuple[Usage, dict[str, Any], str]:
    """Run a pipeline on a corpus; return what it took, what it told, and an error or nothing."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log = out / "log.txt"
    env = {} if peer == "synflow" else {**PEER_ENV, "PATH": f"{python_of(peer).parent}:{os.environ.get('PATH', '')}"}
    usage = watched(command_of(peer, corpus, out), env=env, cwd=out, log=log, limit=LIMIT)
    if usage.status != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        said = f"stopped after {LIMIT:g} s" if usage.status is None else f"exit {usage.status}"
        return usage, {}, f"{said}: {lines[-1][-200:] if lines else 'no output'}"
    try:
        return usage, told_by(peer, out), ""
    except (OSError, ValueError, KeyError) as error:
        return usage, {}, f"left no result: {error}"


def compared(peer: str, corpora: dict[str, Path], edits: Path | None, runs: int) -> Runs:
    """Run one pipeline on all corpora, ``runs`` times each, and on the edits once."""
    result = Runs(ENVIRONMENTS[peer].title, error=missing(peer))
    if result.error:
        return result
    for size, corpus in corpora.items():
        for number in range(runs):
            out = CACHE / "out" / f"{peer}-{size}"
            print(f"{result.title}: {size} clips, run {number + 1} of {runs}", file=sys.stderr, flush=True)
            usage, told, result.error = run_once(peer, corpus, out)
            if result.error:
                return result
            result.usage.setdefault(size, []).append(usage)
            if size == next(iter(corpora)):
                result.verdicts |= planted(corpus, told)
                result.note = str(told.get("note", ""))
            shutil.rmtree(out, ignore_errors=True)
    if edits is not None:
        _, told, error = run_once(peer, edits, CACHE / "out" / f"{peer}-edits")
        result.verdicts |= {"edits": error} if error else edited(edits, told)
    return result


def missing(peer: str) -> str:
    """Install a pipeline where it is not; return what it lacks still, or nothing."""
    state = installed(peer)
    if state["state"] != "ready":
        return f"not installed: {state.get('error', state['state'])}"
    lacks = ENVIRONMENTS[peer].lacks
    return f"not on the path: {', '.join(lacks)}" if lacks else ""


def planted(corpus: Path, told: dict[str, Any]) -> dict[str, str]:
    """Return what became of the two copies and the two broken files. Of a copy and its original either may go."""
    truth = json.loads((corpus / "truth.json").read_text())
    dropped = told["dropped"]
    found = {}
    for name, ids in truth.items():
        kept = [one for one in ids if one in told["kept"]]
        said = next((dropped[one] for one in ids if dropped.get(one)), "")
        found[name] = "kept" if len(kept) == len(ids) else f"found ({said})" if said else "left out, untold"
    good = [one for one in told["kept"] if not one.startswith("zz_")]
    found["good kept"] = str(len(good))
    return found


def edited(corpus: Path, told: dict[str, Any]) -> dict[str, str]:
    """Return how many of each kind of edit are gone, and how many good clips with them."""
    kinds: dict[str, list[int]] = {}
    for row in json.loads((corpus / "truth.json").read_text()):
        row_of = kinds.setdefault(row["edit"], [0, 0])
        row_of[0] += row["id"] not in told["kept"]
        row_of[1] += 1
    return {f"edit {kind}": f"{gone}/{of}" for kind, (gone, of) in kinds.items()}


def edits_sample(videos: Path, each: int = 2, good: int = 8) -> Path:
    """Return a folder with a few of the known edits of pictures, all in one place, as every pipeline can read it."""
    from kit.edits import KINDS
    from kit.records import built

    source, records = built(videos, 2)
    folder = source.with_name(source.name + "-sample")
    if (folder / "videos.jsonl").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    copied = [one for one in records if one.edit in KINDS]
    chosen = [one for kind in KINDS for one in [c for c in copied if c.edit == kind][:each]]
    bases = {one.base for one in chosen if one.base}
    rest = [one for one in records if one.edit == "good" and one.base not in bases][:good]
    chosen += [one for one in records if one.edit == "good" and one.base in bases] + rest
    for one in chosen:
        shutil.copyfile(source / one.path, folder / one.path)
    (folder / "truth.json").write_text(json.dumps([asdict(one) for one in chosen]))
    rows = [{"id": one.id, "path": one.path, **({"caption": one.caption} if one.caption else {})} for one in chosen]
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def bare_decode(paths: Iterable[Path]) -> float:
    """Return the CPU-seconds of decoding every picture of some files once with one thread, and nothing else."""
    began = time.process_time()
    for path in paths:
        try:
            with av.open(str(path), metadata_errors="ignore") as container:
                stream = container.streams.video[0]
                stream.thread_type, stream.codec_context.thread_count = "NONE", 1
                for _ in container.decode(stream):
                    pass
        except (av.FFmpegError, IndexError):
            continue
    return time.process_time() - began


def as_they_are(videos: Path, runs: int) -> str:
    """Return as markdown what the videos of a list take uncut, beside a bare decode before and after each run.

    Start-up is a run of the two smallest files; what is beyond it is the filters'.
    """
    beside = videos if (videos / "videos.jsonl").exists() else videos.parent
    rows = [json.loads(line) for line in (beside / "videos.jsonl").read_text().splitlines()]
    rows = [{**row, "path": str((beside / row["path"]).resolve())} for row in rows]
    paths = [Path(row["path"]) for row in rows]
    small = sorted(rows, key=lambda row: Path(row["path"]).stat().st_size)[:2]
    figures: dict[str, list[float]] = {"bare decode": [], "start-up": [], "whole run": []}
    ratios: dict[str, list[float]] = {"whole run": [], "filters": []}
    for _ in range(runs):
        before = bare_decode(paths)
        start, whole = (_listed(listed, CACHE / "out" / "as-they-are") for listed in (small, rows))
        bare = (before + bare_decode(paths)) / 2
        for name, value in zip(figures, (bare, start, whole), strict=True):
            figures[name].append(value)
        ratios["whole run"].append(whole / bare)
        ratios["filters"].append((whole - start) / bare)
    lines = [
        f"{machine()}. {len(rows)} files as they are; medians and ranges of {runs} runs.",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {name}, CPU-s | {spread(values)} |" for name, values in figures.items()]
    lines += [f"| {name} ÷ bare decode | {spread(values, 2)} |" for name, values in ratios.items()]
    return "\n".join(lines)


def _listed(rows: list[dict[str, Any]], folder: Path) -> float:
    """Return the CPU-seconds of a run of a list of videos."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    usage, _, error = run_once("synflow", folder, folder / "out")
    if error:
        raise SystemExit(f"synflow: {error}")
    return usage.cpu


def slope(result: Runs, sizes: dict[str, int]) -> tuple[float, float] | None:
    """Return CPU-seconds of start-up and of one clip, from the medians on the two corpora."""
    if len(result.usage) < 2:
        return None
    (small, few), (large, many) = [
        (sizes[size], statistics.median(u.cpu for u in usage)) for size, usage in result.usage.items()
    ]
    each = (many - few) / (large - small)
    return few - each * small, each


def table(results: dict[str, Runs], bare: list[float], sizes: dict[str, int], runs: int) -> str:
    """Return the comparison as markdown."""
    first = next(iter(sizes))
    lines = [
        f"{machine()}. {first} files; medians and ranges of {runs} runs; one thread in numeric libraries.",
        f"A bare decode of the same files: {spread(bare)} CPU-s.", "",
        "| pipeline | CPU-s | ÷ bare decode | wall s | peak MiB | start-up CPU-s | CPU-s a clip | did |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for peer, result in results.items():
        if first not in result.usage:
            lines.append(f"| {result.title} | {result.error or 'did not run'} | | | | | | {DID[peer]} |")
            continue
        usage = result.usage[first]
        apart = slope(result, sizes)
        start, each = ("–", "–") if apart is None else (f"{apart[0]:.1f}", f"{apart[1]:.3f}")  # noqa: RUF001
        ratio = statistics.median(u.cpu for u in usage) / statistics.median(bare)
        cells = (
            spread([u.cpu for u in usage]), f"{ratio:.1f}", spread([u.wall for u in usage]),
            spread([u.peak / 2**20 for u in usage], 0), start, each, DID[peer],
        )  # fmt: skip
        lines.append(f"| {result.title} | {' | '.join(cells)} |")
    ran = {peer: result for peer, result in results.items() if result.verdicts}
    names = list(dict.fromkeys(name for result in ran.values() for name in result.verdicts))
    lines += ["", "| what | " + " | ".join(result.title for result in ran.values()) + " |", "|---|" + "---|" * len(ran)]
    lines += [f"| {name} | " + " | ".join(r.verdicts.get(name, "") for r in ran.values()) + " |" for name in names]
    lines += ["", "`edit`: how many of the clips with that fault are gone from the output; of `good`, lower is better."]
    lines += [f"{result.title}: {result.note}" for result in results.values() if result.note]
    lines += [f"{result.title}: {result.error}" for result in results.values() if result.error]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", nargs="?", type=Path, help="folder of videos")
    parser.add_argument("--peers", default="", help="comma-separated, or all; default: synflow and what is installed")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-slope", action="store_true", help="only the small corpus")
    parser.add_argument("--no-edits", action="store_true", help="leave out the known edits")
    parser.add_argument("--uncut", action="store_true", help="only what the listed videos take as they are")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    videos = (options.videos or default_videos()).resolve()
    if options.uncut:
        if error := missing("synflow"):
            raise SystemExit(f"synflow: {error}")
        print(as_they_are(videos, options.runs))
        return
    ready = [peer for peer in ENVIRONMENTS if peer == "synflow" or state_of(peer)["state"] == "ready"]
    peers = list(ENVIRONMENTS) if options.peers == "all" else options.peers.split(",") if options.peers else ready
    if unknown := [peer for peer in peers if peer not in ENVIRONMENTS]:
        parser.error(f"unknown peer {unknown[0]}: expected {', '.join(ENVIRONMENTS)}")
    corpora = {"30": peers_corpus(videos)}
    if not options.no_slope:
        corpora["108"] = peers_corpus(videos, 4)
    sizes = {size: int(size) for size in corpora}
    edits = None if options.no_edits else edits_sample(videos)
    bare = [bare_decode(sorted(corpora["30"].glob("*.mp4"))) for _ in range(options.runs)]
    results: dict[str, Runs] = {}
    for peer in peers:
        results[peer] = compared(peer, corpora, edits, options.runs)
        if options.json:
            value = {
                "machine": machine(),
                "bare_decode_cpu_s": bare,
                "results": {p: asdict(r) for p, r in results.items()},
            }
            options.json.write_text(json.dumps(value, indent=1))
    print(table(results, bare, sizes, options.runs))


if __name__ == "__main__":
    main()
