"""A finished dataset copied as it is to another place, a bucket or a folder: shards, tables, cards, negatives.

What is sent is what readers need, not what the run was made with. `MARK` is there from the first byte to the last and
names the dataset that is on its way; ``dataset.json`` comes last, so that a reader never opens half a copy. Sending
again goes on where it stopped; where all is there, it reads every file back and sends what is not as promised.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from synflow.bucket import Bucket, told_by
from synflow.errors import Damage, Incomplete, Refused, ServiceDown, UsageError
from synflow.ids import digest, digest_stream
from synflow.store.layout import RunLayout
from synflow.store.receipts import ObjectRef
from synflow.store.report import check_file

MARK = "dataset.sending"
AT_ONCE = 4
"""Files that are sent at the same time."""

BLOCK = 8 << 20
"""Bytes of one request when a file is read back."""


@dataclass
class Upload:
    """What a sending did: files and bytes that were sent, and files that were there already."""

    sent: int = 0
    bytes: int = 0
    there: int = 0


def upload(root: Path, url: str, tell: Callable[[int, int], None]) -> Upload:
    """Copy the dataset of a finished run to a URL.

    Args:
        root: of the run.
        url: of a folder in a store, empty or with a copy of this dataset.
        tell: told of files that are done, and of all.

    Raises:
        UsageError: there is no run, or no file system for the URL. Incomplete: the run is not finished.
        Refused: another dataset lies there. Damage: a file of the run is not as promised; it is not sent.
        ServiceDown: the store cannot be written or read.
    """
    layout = RunLayout(root.resolve())
    if not layout.identity.exists():
        raise UsageError(f"{root} holds no run", "give the folder that --out or `output` named")
    if not layout.dataset.exists():
        raise Incomplete(f"{root} is not finished", f"`synflow resume {root}` finishes it")
    last = layout.dataset.read_bytes()
    promised = dict(_promised(layout, last))
    try:
        return _upload(layout, Bucket(url), promised, last, tell)
    except OSError as error:
        raise ServiceDown(f"{url}: {told_by(error)}", "check the address and your rights, then send again") from error


def _upload(
    layout: RunLayout, remote: Bucket, promised: dict[str, ObjectRef], last: bytes, tell: Callable[[int, int], None]
) -> Upload:
    """Send what is not there; ``last`` is ``dataset.json``."""
    whole = _there(remote, digest(last))
    done = Upload()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = iter(sorted(promised.items()))
        while some := list(islice(names, 16 * AT_ONCE)):
            for size in pool.map(lambda one: _send(layout, remote, one[0], one[1], check=whole), some):
                done.sent, done.bytes = done.sent + (size > 0), done.bytes + size
                done.there += size == 0
                tell(done.sent + done.there, len(promised))
    if not whole:
        remote.write("dataset.json", last)
        remote.remove(MARK)
    return done


def _there(remote: Bucket, dataset: str) -> bool:
    """Return whether a whole copy is there; mark the place where it is not."""
    found = _read(remote, "dataset.json")
    named = digest(found) if found else _read(remote, MARK).decode("utf-8", "replace")
    if named not in ("", dataset):
        raise Refused(f"{remote.url} holds another dataset", "name an empty place, or remove what lies there")
    if not named:
        remote.write(MARK, dataset.encode())
    return bool(found)


def _read(remote: Bucket, name: str) -> bytes:
    try:
        return remote.read(name)
    except FileNotFoundError:
        return b""


def _promised(layout: RunLayout, dataset: bytes) -> Iterator[tuple[str, ObjectRef]]:
    """Yield the files of a copy, and what they hold."""
    facts = json.loads(dataset)
    files = {one["path"]: one for one in facts["shards"]}
    files |= {f"index/{name}": one for name, one in facts["index"].items()}
    files |= {
        name: facts[key] for key, name in (("card", "README.md"), ("croissant", "croissant.json")) if key in facts
    }
    for name, one in files.items():
        yield name, ObjectRef(name=name, bytes=one["bytes"], sha256=one["sha256"])
    # Beside the dataset, not part of it: the report, and negatives that were mined since.
    for path in (layout.root / "report.html", *sorted((layout.root / "negatives").glob("*/*"))):
        if path.is_file():
            name = path.relative_to(layout.root).as_posix()
            with path.open("rb") as stream:
                found, size = digest_stream(stream)
            yield name, ObjectRef(name=name, bytes=size, sha256=found)


def _send(layout: RunLayout, remote: Bucket, name: str, ref: ObjectRef, *, check: bool) -> int:
    """Send a file unless it is there; return the bytes that were sent."""
    path = layout.root / name
    if _size(remote, name) == ref.bytes and (not check or _digest(remote, name) == ref.sha256):
        return 0
    if wrong := check_file(path, ref):
        raise Damage(f"{path} {wrong}", f"`synflow verify {layout.root}` tells the damage; nothing of it was sent")
    remote.put(path, name)
    if _size(remote, name) != ref.bytes:
        raise OSError(f"{name} is not as long as what was sent")
    return ref.bytes


def _size(remote: Bucket, name: str) -> int:
    try:
        return remote.size(name)
    except FileNotFoundError:
        return -1


def _digest(remote: Bucket, name: str) -> str:
    found, size = hashlib.sha256(), remote.size(name)
    for start in range(0, size, BLOCK):
        found.update(remote.read(name, start, min(start + BLOCK, size)))
    return found.hexdigest()
