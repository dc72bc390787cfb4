"""Reads datasets in the layout in which UVRB was released, and datasets of your own in the same.

::

    <NAME>/jsonl/queries.jsonl      {"id", "text"?, "image"?, "video"?}
    <NAME>/jsonl/corpus.jsonl       {"id", "video"}                        (or text, or image)
    <NAME>/jsonl/instances.jsonl    {"qid", "pos": [...], "candidates"?: [...]}
    <NAME>/videos_frames/<stem>/*.jpg      <NAME>/images/

The three lists may stand in ``<NAME>`` itself. A video is a folder of frames, or a file that is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synflow.errors import UsageError
from synflow.evaluate.collection import Collection, Entry, Media
from synflow.evaluate.media import PICTURES, Decoder, FrameFiles, VideoFile
from synflow.evaluate.reference import Known

LISTS = ("queries", "corpus", "instances")
FRAMES = ("videos_frames", "video_frames", "frames")
VIDEOS = (".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v", ".mpg", ".ts", ".flv", ".gif")
CANDIDATES = ("candidates", "candidate_ids", "cands")
NEGATIVES = ("neg", "negs", "negatives")
POSITIVES = ("pos", "positives", "positive_ids")
QUERY_IDS = ("qid", "query_id", "id")

Line = tuple[int, dict[str, Any]]


def find_dataset(root: Path, known: Known) -> Path | None:
    """Return the folder of a dataset of UVRB, however its name is written; None where there is none."""
    wanted = {_plain(name) for name in (known.name, *known.also)}
    exact = root / known.name
    if exact.is_dir():
        return exact
    found = [path for path in sorted(root.iterdir()) if path.is_dir() and _plain(path.name) in wanted]
    return found[0] if found else None


def read_dataset(
    folder: Path, decoder: Decoder, name: str, ability: str, metric: str, instruction: str, seconds: float = 1.0,
    known: Known | None = None,
) -> Collection:  # fmt: skip
    """Return the dataset in a folder; pictures are not read yet.

    Args:
        folder: that holds the lists.
        decoder: for videos that are no folders of frames.
        name: of the dataset.
        ability: that it counts for.
        metric: that counts.
        instruction: for its queries.
        seconds: from one frame file to the next.
        known: what is known of it, where it is one of UVRB.

    Raises:
        UsageError: a list is missing or not as it should be; the cause names file and line.
    """
    place = folder / "jsonl" if (folder / "jsonl").is_dir() else folder
    files = {one: place / f"{one}.jsonl" for one in LISTS}
    queries, ids = _entries(files["queries"], folder, decoder, seconds, instruction)
    corpus, items = _entries(files["corpus"], folder, decoder, seconds, "")
    if not queries or not corpus:
        raise UsageError(f"{files['corpus' if queries else 'queries']}: holds nothing", "see docs/evaluate.md")
    own_lists = known is not None and known.corpus is None
    relevant, lost, lists = _instances(files["instances"], ids, items, own_lists)
    notes = list(_notes(known, queries, corpus, lost, lists))
    empty = sum(1 for places, gone in zip(relevant, lost, strict=True) if not places and not gone)
    if empty:
        notes.append(f"{empty:,} queries have nothing relevant and are not scored")
    return Collection(
        name, ability, metric, tuple(queries), tuple(corpus), tuple(relevant), tuple(lost), tuple(lists), tuple(notes)
    )


def _notes(
    known: Known | None, queries: Sequence[Entry], corpus: Sequence[Entry], lost: Sequence[int],
    lists: Sequence[tuple[int, ...] | None],
) -> Iterator[str]:  # fmt: skip
    if sum(lost):
        yield f"{sum(lost):,} relevant items are not in the corpus or not among the candidates: they count as misses"
    if known is None:
        return
    if len(queries) != known.queries:
        yield f"{len(queries):,} queries; the paper has {known.queries:,}"
    if known.corpus is not None and len(corpus) != known.corpus:
        yield f"{len(corpus):,} items; the paper has {known.corpus:,}"
    if known.corpus is None and any(one is None for one in lists):
        yield "queries without candidates of their own are searched in the whole corpus, unlike in the paper"


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _lines(path: Path) -> Iterator[Line]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such list", "see docs/evaluate.md for the layout") from error
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(f"{path}: cannot be read: {cause}", "see docs/evaluate.md for the layout") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not JSON", "mend the line, or get the file again") from error
        if not isinstance(value, dict):
            raise UsageError(f"{path}:{number}: not an object", "each line is one JSON object")
        yield number, value


def _entries(
    path: Path, folder: Path, decoder: Decoder, seconds: float, instruction: str
) -> tuple[list[Entry], dict[str, int]]:
    entries: list[Entry] = []
    places: dict[str, int] = {}
    for number, one in _lines(path):
        own = _id(one.get("id", one.get("qid")))
        if own is None:
            raise UsageError(f"{path}:{number}: has no id", "each line needs a text or a number as id")
        if own in places:
            raise UsageError(f"{path}:{number}: the id {own!r} stands there twice", "ids must differ")
        text = one.get("text")
        if isinstance(text, list) and all(isinstance(part, str) for part in text):
            text = " ".join(part.strip() for part in text)
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{path}:{number}: text is neither a text nor a list of texts", "see docs/evaluate.md")
        video, image = one.get("video") or None, one.get("image") or None
        media: Media | None = None
        try:
            if video is not None:
                media = video_of(folder, video, decoder, seconds)
            elif image is not None:
                media = image_of(folder, image)
        except TypeError as error:
            raise UsageError(f"{path}:{number}: {error}", "see docs/evaluate.md for the layout") from error
        if media is None and not (text or "").strip():
            raise UsageError(f"{path}:{number}: has no text, image or video", "see docs/evaluate.md for the layout")
        places[own] = len(entries)
        entries.append(Entry(own, (text or "").strip() or None, media, video is not None, instruction))
    return entries, places


def _id(value: Any) -> str | None:
    if isinstance(value, str) and value:
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _listed(one: Mapping[str, Any], names: Sequence[str], where: str) -> list[str] | None:
    """Return the ids under the first of some names; None where there is none of them."""
    for name in names:
        if name in one and one[name] is not None:
            given = one[name] if isinstance(one[name], list) else [one[name]]
            ids = [_id(value) for value in given]
            if any(value is None for value in ids):
                raise UsageError(f"{where}: {name} holds something other than ids", "see docs/evaluate.md")
            return [value for value in ids if value is not None]
    return None


def _instances(
    path: Path, ids: Mapping[str, int], items: Mapping[str, int], own_lists: bool
) -> tuple[list[tuple[int, ...]], list[int], list[tuple[int, ...] | None]]:
    wanted: list[dict[str, None]] = [{} for _ in ids]
    lists: list[dict[str, None] | None] = [None] * len(ids)
    for number, one in _lines(path):
        where = f"{path}:{number}"
        query = (_listed(one, QUERY_IDS, where) or [""])[0]
        if query not in ids:
            raise UsageError(f"{where}: there is no query {query!r}", "queries.jsonl must hold it")
        place = ids[query]
        pos = _listed(one, POSITIVES, where) or []
        wanted[place].update(dict.fromkeys(pos))
        given = _listed(one, CANDIDATES, where)
        if given is None and own_lists and (neg := _listed(one, NEGATIVES, where)):
            given = [*pos, *neg]
        if given is not None:
            strange = next((name for name in given if name not in items), None)
            if strange is not None:
                raise UsageError(
                    f"{where}: the candidate {strange!r} is not in the corpus", "corpus.jsonl must hold it"
                )
            lists[place] = {**(lists[place] or {}), **dict.fromkeys(given)}
    relevant, lost = [], []
    for mine, held in zip(wanted, lists, strict=True):
        there = [name for name in mine if name in items and (held is None or name in held)]
        relevant.append(tuple(items[name] for name in there))
        lost.append(len(mine) - len(there))
    return relevant, lost, [None if one is None else tuple(items[name] for name in one) for one in lists]


def video_of(folder: Path, value: Any, decoder: Decoder, seconds: float) -> Media:
    """Return the video that a list names: a folder of frames where there is one, else a file.

    Raises:
        TypeError: ``value`` is neither a name nor a list of picture files.
    """
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return FrameFiles(None, tuple(_placed(folder, one, ("images", *FRAMES)) for one in value), seconds)
    if not isinstance(value, str):
        raise TypeError("video is neither a name nor a list of names")
    given = Path(value)
    bare = given.with_suffix("") if given.suffix.lower() in VIDEOS else given
    inner = Path(*bare.parts[1:]) if len(bare.parts) > 1 and bare.parts[0] in ("videos", "video", *FRAMES) else bare
    for frames in FRAMES:
        for name in dict.fromkeys((inner, Path(bare.name), given)):
            if (folder / frames / name).is_dir():
                return FrameFiles(folder / frames / name, (), seconds)
    if (folder / given).is_dir():
        return FrameFiles(folder / given, (), seconds)
    for name in dict.fromkeys((given, inner, Path(bare.name))):
        for parent in (folder, folder / "videos"):
            for suffix in ("", *VIDEOS):
                path = parent / name if not suffix else (parent / name).with_name(f"{name.name}{suffix}")
                if path.is_file():
                    return VideoFile(path, decoder)
    # What is not there is told when it is to be read, together with all others.
    return FrameFiles(folder / FRAMES[0] / inner, (), seconds)


def image_of(folder: Path, value: Any) -> Media:
    """Return the picture that a list names.

    Raises:
        TypeError: ``value`` is no name, nor a list of one.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise TypeError("image is not the name of one picture")
    return FrameFiles(None, (_placed(folder, value, ("images",)),))


def _placed(folder: Path, name: str, inner: Sequence[str]) -> Path:
    places = [
        folder / name,
        *(folder / one / name for one in inner),
        *(folder / one / Path(name).name for one in inner),
    ]
    if Path(name).suffix.lower() not in PICTURES:
        places += [place.with_name(place.name + suffix) for place in places for suffix in PICTURES]
    return next((place for place in places if place.is_file()), places[0])
