"""What this machine has and lacks for synflow: one line each, with a remedy where something is missing.

Libraries that can crash or hang (decoder, Ray) are tried in a child process with a deadline.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from synflow.console import count_of, size_of
from synflow.models.vllm_options import OLDEST, release_of

State = Literal["ok", "warn", "missing"]

GIB = 1 << 30
CODECS = ("h264", "hevc", "vp9", "av1", "vp8", "mpeg4")
CHILD_SECONDS = 60
ENDPOINT_SECONDS = 5

CODEC_PROGRAM = """
import json, av
from av.codec import Codec
found = []
for name in {names!r}:
    try:
        Codec(name, "r")
        found.append(name)
    except ValueError:
        pass
print(json.dumps({{"version": av.__version__, "codecs": found}}))
"""

RAY_PROGRAM = """
import json, logging, time, ray
start = time.monotonic()
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
told = ray.get(ray.remote(max_retries=0)(lambda: 42).remote())
print(json.dumps({"version": ray.__version__, "answer": told, "seconds": time.monotonic() - start}))
ray.shutdown()
"""


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        state: ``ok``, ``warn`` (works, but) or ``missing``.
        needed: whether synflow cannot run without it.
    """

    name: str
    state: State
    found: str
    remedy: str = ""
    needed: bool = False


def examine(folder: Path, models: Mapping[str, Mapping[str, Any]] | None = None, tokens: int = 0) -> Iterator[Check]:
    """Yield the checks of this machine, the slow ones last.

    Args:
        folder: where output would go; its disk is looked at.
        models: ``vlm`` and ``embed`` of a manifest, whose servers are asked.
        tokens: that the largest request of the manifest and its answer take.
    """
    steps: tuple[Callable[[], Check], ...] = (python, cpus, memory, lambda: disk(folder), shared_memory, open_files)
    for step in steps:
        yield step()
    yield gpu()
    for name, extra in (("torch", "models"), ("transformers", "models")):
        yield library(name, extra)
    yield vllm()
    yield from endpoints(models or {}, tokens)
    yield codecs()
    yield ray()


def python() -> Check:
    """Tell the version of Python."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    enough = sys.version_info >= (3, 11)
    return Check(
        "Python", "ok" if enough else "missing", version, "" if enough else "use Python 3.11 or newer", needed=True
    )


def cpus() -> Check:
    """Count the CPUs that this process may use: affinity and the quota of its control group."""
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota()
    usable = min(allowed, quota) if quota else float(allowed)
    note = f"{usable:g} usable" + (f" of {os.cpu_count()}" if usable != os.cpu_count() else "")
    if usable < 2:
        return Check("CPUs", "warn", note, "two or more are recommended: one worker each")
    return Check("CPUs", "ok", note)


def cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the CPUs that the control group allows; None without a limit."""
    text = _read(root / "cpu.max")
    if text:
        quota, _, period = text.partition(" ")
        return None if quota == "max" else int(quota) / int(period)
    old, period = _read(root / "cpu/cpu.cfs_quota_us"), _read(root / "cpu/cpu.cfs_period_us")
    return int(old) / int(period) if old and period and int(old) > 0 else None


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the bytes that the control group allows; None without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(root / name)
        if text and text.isdigit() and int(text) < 1 << 60:
            return int(text)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def memory() -> Check:
    """Tell the memory that this process may use."""
    fields = dict(line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line)
    total, free = (int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    limit = memory_limit()
    bound = min(total, limit) if limit else total
    note = f"{size_of(bound)}{' (limit of the container)' if bound < total else ''}, {size_of(min(free, bound))} free"
    if bound < 4 * GIB:
        return Check("Memory", "warn", note, "4 GiB or more are recommended; lower media.memory and executor.cpus")
    return Check("Memory", "ok", note)


def disk(folder: Path) -> Check:
    """Tell the free space where output would go."""
    place = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(place).free
    note = f"{size_of(free)} free at {place}"
    if not os.access(place, os.W_OK):
        return Check("Disk", "missing", f"{place} is read-only", "choose a folder that you may write", needed=True)
    if free < 5 * GIB:
        return Check("Disk", "warn", note, "a run keeps about 1 GiB for each 5,000 pairs; `synflow plan` tells more")
    return Check("Disk", "ok", note)


def shared_memory(path: Path = Path("/dev/shm")) -> Check:
    """Tell the size of shared memory, which Ray's object store lives in."""
    if not path.is_dir():
        return Check("/dev/shm", "warn", "absent", "mount it; Ray is slow without it")
    size = shutil.disk_usage(path).total
    if size < 200 << 20:
        return Check(
            "/dev/shm", "warn", size_of(size), "start the container with --shm-size=1g: Ray spills to disk otherwise"
        )
    return Check("/dev/shm", "ok", size_of(size))


def open_files() -> Check:
    """Tell how many files a process may hold open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < 4096:
        return Check("Open files", "warn", f"{soft:,} (hard limit {hard:,})", "raise it: ulimit -n 65536")
    return Check("Open files", "ok", f"{soft:,}" if soft >= 0 else "unlimited")


def gpu() -> Check:
    """Tell the GPUs that nvidia-smi sees."""
    program = shutil.which("nvidia-smi")
    none = "needed only to serve models on this machine"
    if program is None:
        return Check("GPU", "missing", "none", none)
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run([program, *query], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("GPU", "warn", f"nvidia-smi does not answer ({type(error).__name__})", "check the driver")
    cards = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode or not cards:
        return Check("GPU", "missing", "nvidia-smi finds none", none)
    return Check("GPU", "ok", "; ".join(cards))


def library(name: str, extra: str) -> Check:
    """Tell whether an optional library is installed; it is not imported."""
    try:
        return Check(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, "missing", "not installed", f"optional: pip install 'synflow[{extra}]'")


def vllm() -> Check:
    """Tell whether vLLM is installed, and whether it is new enough for what `synflow serve` starts it with."""
    found = library("vllm", "vllm")
    if found.state == "ok" and release_of(found.found) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Check("vllm", "warn", f"{found.found}, older than {oldest}", "pip install -U 'synflow[vllm]'")
    return found


def codecs() -> Check:
    """Try the decoder and tell the codecs that it knows."""
    value, trouble = _child(CODEC_PROGRAM.format(names=CODECS))
    if value is None:
        return Check(
            "Decoder", "missing", f"PyAV does not load: {trouble}", "pip install --force-reinstall av", needed=True
        )
    lacking = [name for name in CODECS if name not in value["codecs"]]
    note = f"PyAV {value['version']}: {' '.join(value['codecs'])}"
    if lacking:
        return Check(
            "Decoder",
            "warn",
            f"{note}; not {' '.join(lacking)}",
            "pip install --force-reinstall av (the wheel has all)",
        )
    return Check("Decoder", "ok", note)


def ray() -> Check:
    """Start Ray with one CPU, run one task, stop it."""
    value, trouble = _child(RAY_PROGRAM)
    if value is None:
        return Check(
            "Ray", "missing", f"does not start: {trouble}", "pip install ray, or run with --set executor.use=serial"
        )
    return Check("Ray", "ok", f"{value['version']}, starts in {value['seconds']:.1f} s")


def _child(program: str) -> tuple[dict[str, Any] | None, str]:
    """Run a program in a child; return the JSON of its last line, or None and what went wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=CHILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {CHILD_SECONDS} s"
    try:
        value: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = [line for line in done.stderr.strip().splitlines() if line.strip()]
        return None, said[-1] if said else f"ended with code {done.returncode}"
    return value, ""


def endpoints(models: Mapping[str, Mapping[str, Any]], tokens: int = 0) -> Iterator[Check]:
    """Ask the servers that a manifest names which models they serve, and whether its requests fit them."""
    for role, spec in models.items():
        for address in spec.get("base_url", ()) if spec.get("use") == "openai_http" else ():
            needed = tokens if role == "vlm" else 0
            yield endpoint(role, str(address), str(spec.get("model", "")), _key(spec), needed)


def _key(spec: Mapping[str, Any]) -> str:
    named = spec.get("api_key")
    return os.environ.get(str(named["env"]), "") if isinstance(named, Mapping) else ""


def endpoint(role: str, address: str, model: str, key: str, tokens: int = 0) -> Check:
    """Ask one server for its models; ``tokens``: what the largest request and its answer take."""
    name = f"{role} server"
    if urlsplit(address).scheme not in ("http", "https"):
        return Check(name, "missing", f"{address} is no http address", "correct models.base_url in the manifest")
    request = urllib.request.Request(address.rstrip("/") + "/models")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    start = f"start it, or correct models.{role}.base_url"
    try:
        with urllib.request.urlopen(request, timeout=ENDPOINT_SECONDS) as answer:
            listed = {str(one["id"]): one for one in json.load(answer)["data"]}
    except urllib.error.HTTPError as error:
        return Check(name, "missing", f"{address} answers {error.code}", "check its address and the API key's variable")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        return Check(name, "missing", f"{address} does not answer: {reason}", start)
    served = list(listed)
    if model not in served:
        seen = ", ".join(served[:3]) or "nothing"
        return Check(
            name, "warn", f"{address} serves {seen}, not {model}", f"correct models.{role}.model in the manifest"
        )
    length = listed[model].get("max_model_len")
    if isinstance(length, int) and length < tokens:
        return Check(
            name, "warn", f"{address} takes {length:,} tokens, and a request of the manifest about {tokens:,}",
            "start it with a larger max_model_len, or lower media.frames, media.short_side or models.vlm.max_pixels",
        )  # fmt: skip
    return Check(name, "ok", f"{address} serves {model} ({count_of(len(served), 'model')})")
