"""``synflow fingerprint``: a list of hashes of videos and captions, for `dedup: {forbidden: [...]}`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from synflow.commands.output import shell
from synflow.console import clean, count_of, listed, people
from synflow.errors import ClipFailure, UsageError


@dataclass(frozen=True)
class _Lists:
    """What `read_inputs` wants of a manifest."""

    inputs: tuple[Any, ...]
    folder: Path


def make_list(lists: Sequence[Path], captions: Sequence[Path], out: Path, name: str) -> int:
    """Write the list of hashes ``out``; return the exit code.

    Args:
        lists: of videos, with or without captions, as a manifest names them.
        captions: files of captions alone: a text file with one a line, or JSON lines with ``caption`` or ``text``.
        out: the file to write.
        name: what reports call the list; empty for the name of ``out``.

    Raises:
        UsageError: a list cannot be read, or nothing was given.
    """
    from rich.text import Text

    from synflow.durable import Attempt, make_folder, publish_file
    from synflow.hashlist import head_line
    from synflow.ids import canonical

    if not lists and not captions:
        raise UsageError("no list of videos and no captions are given", "`synflow fingerprint --help` shows how")
    if out.exists():
        raise UsageError(f"{out} exists", "choose another file, or remove it")
    counts: dict[str, int] = {"videos": 0, "captions": 0}
    console = people()
    make_folder(out.absolute().parent)
    with Attempt(out.absolute().parent) as attempt:
        draft = attempt.draft("hashes.jsonl")
        draft.write(canonical(head_line(name or out.stem)) + b"\n")
        for line in chain(_told(captions, counts), _seen(lists, counts)):
            draft.write(canonical(line) + b"\n")
        draft.close()
        publish_file(draft.path, out.absolute())
    left = {reason: number for reason, number in counts.items() if reason not in ("videos", "captions")}
    console.print(Text(f"{count_of(counts['videos'], 'video')}, {count_of(counts['captions'], 'caption')}"))
    if left:
        console.print(Text(f"left out, because they cannot be read: {clean(listed(left, 20), 1000)}", style="yellow"))
    console.print(Text.assemble(f"  {shell(out)}", ("   for dedup: {forbidden: [...]}", "dim")), soft_wrap=True)
    return 0


def _told(files: Sequence[Path], counts: dict[str, int]) -> Iterator[dict[str, object]]:
    """Yield the lines of captions that come without videos, each caption once."""
    from synflow.hashlist import caption_line, has_words

    seen: set[object] = set()
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            cause = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UsageError(
                f"{path}: the captions cannot be read: {cause}", "give a text file or JSON lines"
            ) from error
        for number, text in enumerate(lines, start=1):
            given = _caption(path, number, text) if path.suffix.lower() in (".jsonl", ".ndjson") else text
            line = caption_line(f"{path.name}:{number}", given)
            if has_words(given) and line["hash"] not in seen:
                seen.add(line["hash"])
                counts["captions"] += 1
                yield line


def _caption(path: Path, number: int, line: str) -> str:
    if not line.strip():
        return ""
    try:
        value = json.loads(line)
        return str(value["caption"] if "caption" in value else value["text"])
    except (ValueError, KeyError, TypeError) as error:
        cause = f"{path}:{number}: no object with a `caption` or a `text`"
        raise UsageError(cause, "one JSON object a line") from error


def _seen(lists: Sequence[Path], counts: dict[str, int]) -> Iterator[dict[str, object]]:
    """Yield the lines of videos, and of the captions that came with them."""
    from synflow.hashlist import caption_line, has_words, video_lines
    from synflow.manifest import InputSpec
    from synflow.media.sandbox import Sandbox
    from synflow.sources import read_inputs

    sandbox = Sandbox()
    inputs = _Lists(tuple(InputSpec(clips=str(path.absolute())) for path in lists), Path.cwd())
    try:
        for record in read_inputs(inputs):
            if record.duplicate_of:
                continue
            if record.fault or record.location.url:
                reason = "bad-record" if record.fault else "not-here"
                counts[reason] = counts.get(reason, 0) + 1
                continue
            try:
                facts, scan = sandbox.facts(record.location), sandbox.scan(record.location, 360)
            except ClipFailure as failure:
                counts[failure.reason] = counts.get(failure.reason, 0) + 1
                continue
            begin, end = record.start or 0.0, record.end if record.end is not None else scan.end + 1.0
            part = scan.within(begin, end)
            part = part if len(part.times) else scan
            counts["videos"] += 1
            yield from video_lines(record.record_id, facts.digest, part.times, part.luma)
            for text in record.captions:
                if has_words(text):
                    counts["captions"] += 1
                    yield caption_line(record.record_id, text)
    finally:
        sandbox.close()
