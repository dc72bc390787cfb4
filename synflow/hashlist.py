"""Lists of videos and captions that a dataset must not hold, as hashes: they can be shared without the videos.

A list is JSON lines. The first says what it is; then comes a line for each video (digest of its file, fingerprint of
its pictures: grey, 12 pixels wide) and each caption (hash of its words). A video that is longer than a fingerprint
may be has several lines, which overlap.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from synflow.errors import UsageError
from synflow.media.signature import Signature, pack, track, unpack

FORMAT = 1
"""Raised when older lists can no longer be compared."""

PIECE, OVERLAP = 240.0, 24.0
"""Seconds of the longest fingerprint, and by how much two of one video overlap: more than the longest clip."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Banned:
    """A video that must not be in the dataset, or a piece of it.

    Attributes:
        name: what the list calls it.
        digest: sha256 of its file.
        span: seconds of the file that the fingerprint shows.
        signature: three thumbnails a second, as many as there are.
    """

    name: str
    digest: str
    span: tuple[float, float]
    signature: Signature


@dataclass(frozen=True)
class HashList:
    """A list.

    Attributes:
        name: of the list.
        videos: pieces of videos, in its order.
        captions: hash of a caption -> what the list calls it.
    """

    name: str
    videos: tuple[Banned, ...]
    captions: dict[str, str]


def caption_hash(text: str) -> str:
    """Return 16 hexadecimal digits that captions share which differ in case, punctuation, accents or spacing alone."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("'", "").replace("\u2019", ""))
    words = _WORD.findall("".join(one for one in plain if not unicodedata.combining(one)).replace("_", " "))
    return blake2b(" ".join(words).encode(), digest_size=8).hexdigest()


def has_words(text: str) -> bool:
    """Tell whether there is anything in a caption to know it by."""
    return _WORD.search(text) is not None


def head_line(name: str) -> dict[str, object]:
    """Return the first line of a list."""
    return {"kind": "hash-list", "format": FORMAT, "name": name}


def video_lines(
    name: str, digest: str, times: npt.NDArray[np.float64], luma: npt.NDArray[np.uint8]
) -> Iterator[dict[str, object]]:
    """Yield the lines of a video, given all its pictures: seconds ``[n]`` and luma ``[n, h, w]``, n >= 1."""
    begin, last = float(times[0]), float(times[-1])
    while True:
        inside = (times >= begin - 1e-6) & (times < begin + PIECE)
        end = float(times[inside][-1])
        thumbs = pack(track(times[inside], luma[inside]))
        yield {"kind": "video", "name": name, "digest": digest, "span": [round(begin, 3), round(end, 3)],
               "thumbs": thumbs}  # fmt: skip
        if end >= last:
            return
        begin = end - OVERLAP


def caption_line(name: str, text: str) -> dict[str, object]:
    """Return the line of a caption."""
    return {"kind": "caption", "name": name, "hash": caption_hash(text)}


def read_list(data: bytes, label: str) -> HashList:
    """Return the list that ``data`` holds.

    Args:
        data: of the file.
        label: what errors call it.

    Raises:
        UsageError: it is no such list, or one of another format.
    """
    remedy = "make it with `synflow fingerprint`"
    videos: list[Banned] = []
    captions: dict[str, str] = {}
    name = ""
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            value = json.loads(line)
            kind = value["kind"]
            if number == 1:
                name = str(value["name"]) if kind == "hash-list" else ""
                if value["format"] != FORMAT:
                    break
            elif kind == "video":
                begin, end = map(float, value["span"])
                found = unpack(value["thumbs"])
                videos.append(Banned(str(value["name"]), str(value["digest"]), (begin, end), found))
            else:
                captions.setdefault(str(value["hash"]), str(value["name"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{label}:{number}: not a line of a list of hashes", remedy) from error
    else:
        if name:
            return HashList(name, tuple(videos), captions)
    raise UsageError(f"{label}: no list of hashes of format {FORMAT}", remedy)
