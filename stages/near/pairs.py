"""Pairs of clips compared in batches, whose fingerprints are read when they are wanted."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from synflow.media.likeness import Seen, compare_all, parts
from synflow.media.signature import Signature, unpack_all

CHUNK = 2048
"""Pairs that are compared at a time."""

HELD = 8192
"""Fingerprints that are held ready to be compared (about 8 KB each, 20 KB at most), besides those of a chunk."""

THREADS = 2
"""Chunks that are compared at the same time; what comes out does not depend on it."""

Pair = tuple[int, int]


class Pairs:
    """Compares clips by their numbers.

    Args:
        fingerprint: gives the fingerprint of a clip, packed or not.
    """

    def __init__(self, fingerprint: Callable[[int], str | Signature]) -> None:
        self._fingerprint = fingerprint
        self._ready: dict[int, Seen] = {}
        self.compared = 0

    def copies(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield those pairs that are copies, in order."""
        return self._told(pairs, _copies)

    def shows(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield those pairs of which the first shows the second, or some seconds of it, in order."""
        return self._told(pairs, _shows)

    def _told(
        self, pairs: Iterable[Pair], asked: Callable[[Sequence[tuple[Seen, Seen]]], list[bool]]
    ) -> Iterator[Pair]:
        rest = iter(pairs)
        waiting: deque[tuple[list[Pair], Future[list[bool]]]] = deque()
        threads = min(THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else THREADS)
        with ThreadPoolExecutor(threads) as pool:
            while True:
                chunk = list(islice(rest, CHUNK))
                if chunk:
                    waiting.append((chunk, pool.submit(asked, self._seen(chunk))))
                    self.compared += len(chunk)
                if waiting and (not chunk or len(waiting) > threads):
                    told, verdicts = waiting.popleft()
                    yield from (pair for pair, hit in zip(told, verdicts.result(), strict=True) if hit)
                elif not chunk:
                    return

    def _seen(self, pairs: Sequence[Pair]) -> list[tuple[Seen, Seen]]:
        if len(self._ready) > HELD:
            self._ready.clear()
        missing = sorted({one for pair in pairs for one in pair if one not in self._ready})
        found = [self._fingerprint(one) for one in missing]
        unpacked = iter(unpack_all([one for one in found if isinstance(one, str)]))
        clips = Seen.all([next(unpacked) if isinstance(one, str) else one for one in found])
        self._ready.update(zip(missing, clips, strict=True))
        return [(self._ready[one], self._ready[other]) for one, other in pairs]


def _copies(pairs: Sequence[tuple[Seen, Seen]]) -> list[bool]:
    return [found.copy for found in compare_all(pairs)]


def _shows(pairs: Sequence[tuple[Seen, Seen]]) -> list[bool]:
    out = _copies(pairs)
    inside = [
        (place, part) for place, (clip, video) in enumerate(pairs) if not out[place] for part in parts(video, clip)
    ]
    hits = _copies([(pairs[place][0], part) for place, part in inside])
    for (place, _), hit in zip(inside, hits, strict=True):
        out[place] = out[place] or hit
    return out
