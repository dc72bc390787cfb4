"""Candidates for copies by the binary indexes of FAISS; run by its own Python: ``faiss_candidates.py ENTRIES WHICH``.

Every hash of a picture as it is is looked up among those of all clips, as they are and edited, and has its 48 nearest
up to the same distance as ours (`stages.near.buckets.candidates`). One thread.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterator

import faiss
import numpy as np

MOST = 48

STEP = 20_000


def indexes(count: int, which: str) -> Iterator[tuple[str, faiss.IndexBinary]]:
    """Yield name and index."""
    if which == "all":
        yield "IndexBinaryFlat", faiss.IndexBinaryFlat(64)
        yield "IndexBinaryHNSW, M 16, efSearch 64", hnsw()
    lists = 1 << round(math.log2(4 * math.sqrt(count)))
    for probes in (8, 32):
        quantizer = faiss.IndexBinaryFlat(64)
        index = faiss.IndexBinaryIVF(quantizer, 64, lists)
        index.nprobe = probes
        yield f"IndexBinaryIVF, {lists} lists, {probes} probed", index


def hnsw() -> faiss.IndexBinary:
    index = faiss.IndexBinaryHNSW(64, 16)
    index.hnsw.efSearch = 64
    return index


def main() -> None:
    faiss.omp_set_num_threads(1)
    stored = np.load(sys.argv[1])
    words, owner, stems = stored["words"], stored["owner"], stored["stems"]
    near = int(np.clip(round(22 - 0.6 * math.log2(words.size)), 8, 16))
    base = np.ascontiguousarray(words.reshape(-1)).view(np.uint8).reshape(-1, 8)
    query = np.ascontiguousarray(words[0]).view(np.uint8).reshape(-1, 8)
    groups = np.unique(stems, return_counts=True)[1]
    there = int((groups * (groups - 1) // 2).sum())
    for name, index in indexes(len(base), sys.argv[2]):
        began = time.process_time()
        if not index.is_trained:
            index.train(base[:: max(1, len(base) // 200_000)])
        index.add(base)
        built = time.process_time()
        found = [np.zeros(0, np.int64)]
        for begin in range(0, len(query), STEP):
            # Its own pictures are near as well; 16 more are asked for in their place.
            distance, place = index.search(query[begin : begin + STEP], MOST + 16)
            one = np.repeat(owner[begin : begin + STEP], MOST + 16)
            other = owner[place.ravel() % len(owner)]
            good = (distance.ravel() <= near) & (place.ravel() >= 0) & (one != other)
            low, high = np.minimum(one, other)[good], np.maximum(one, other)[good]
            found.append(np.unique(low.astype(np.int64) << 32 | high))
        pairs = np.unique(np.concatenate(found))
        done = time.process_time()
        hits = int((stems[pairs >> 32] == stems[pairs & 0xFFFFFFFF]).sum())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"  {name}: {done - began:.1f} CPU-s ({built - began:.1f} to build), {len(pairs):,} pairs, "
              f"recall {hits / there:.4f} of {there:,}; process {memory:.2f} GiB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
