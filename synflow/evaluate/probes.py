"""Tests beyond UVRB: does an embedder tell order, attributes, what a composed query is made of, and other spellings?

* **order**: each video against itself played backwards, by a text that is about it. Right where the video scores more;
  an embedder that averages frames cannot tell, and ties count as wrong. Chance is one half.
* **attributes**: each text against itself with two colours, sides or sizes exchanged (or one replaced). Right where
  the true text scores more on the video.
* **composition**: composed queries with their text alone, with their picture alone, and with both.
* **wording**: texts with two neighbouring letters of some words exchanged, and in small letters without punctuation.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synflow.asks import Embedder
from synflow.evaluate.collection import Collection, Entry
from synflow.evaluate.media import Backwards, FrameFiles, Loader, Stored, VideoFile
from synflow.evaluate.metrics import Found, means, table_of
from synflow.evaluate.ranking import rank
from synflow.evaluate.scoring import NEAR, Scorer
from synflow.evaluate.vectors import Shape, VectorCache, Vectors
from synflow.ids import rng_of

MOST = 2000
"""Pairs of a dataset that order and attributes are tried on."""

EXCHANGED = (
    ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey", "gray"),
    ("left", "right"),
    ("top", "bottom"),
    ("upper", "lower"),
    ("above", "below"),
    ("up", "down"),
    ("in front of", "behind"),
    ("in", "out"),
    ("small", "medium-sized", "large"),
    ("big", "little"),
    ("before", "after"),
    ("one", "two", "three", "four", "five"),
    ("man", "woman"),
    ("boy", "girl"),
)
"""Words that exclude one another; only those of one group are exchanged. The first group that fits is taken."""

NEEDS_CONTEXT = {"in": r"(?:zooms|pushes|slides|comes) ", "up": r"(?:tilts|goes|moves) "}
"""Words that are attributes only behind certain others."""


@dataclass(frozen=True)
class Bench:
    """What embeds and compares: an embedder with its cache, a loader and a scorer."""

    embedder: Embedder
    cache: VectorCache
    loader: Loader
    scorer: Scorer
    rounded: bool = False
    tell: Callable[[str, int, int], None] = lambda what, done, total: None

    def vectors(self, entries: Sequence[Entry], shape: Shape, what: str) -> Vectors:
        """Return the vectors of entries."""
        keys, _ = self.loader.keys(entries)
        return self.embedded(entries, keys, shape, what)

    def embedded(self, entries: Sequence[Entry], keys: Sequence[str], shape: Shape, what: str) -> Vectors:
        """Return the vectors of entries whose keys are known."""
        return self.cache.embed(
            self.embedder, entries, keys, self.loader, shape,
            lambda done, total: self.tell(f"embed {what}", done, total), self.rounded,
        )  # fmt: skip

    def pairs(self, queries: Vectors, items: Vectors) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return the scores of queries with items at the same places."""
        if not queries.width or not items.width:
            return np.full(len(queries), -np.inf, np.float32)
        found = [
            self.scorer.pairs(queries.rows(places), items.rows(places))
            for places in np.array_split(np.arange(len(queries)), max(1, len(queries) // 512))
        ]
        return np.concatenate(found)


def probe(name: str, bench: Bench, collection: Collection, seed: int) -> dict[str, Any] | None:
    """Return what a probe finds on a dataset; None where it does not apply.

    Args:
        name: order, attributes, composition or wording.
        bench: embeds and compares.
        collection: the dataset.
        seed: draws what is exchanged.
    """
    return {"order": _order, "attributes": _attributes, "composition": _composition, "wording": _wording}[name](
        bench, collection, seed
    )


COUNTS = ("pairs", "queries", "abstained")
"""What of a finding is a number of things; the rest are shares of the first of these."""


def overall(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a probe finds on several datasets together: counts added, shares weighted by what they are of."""
    told: dict[str, Any] = {}
    for key in dict.fromkeys(key for one in found for key in one):
        if key in COUNTS:
            told[key] = sum(one[key] for one in found)
            continue
        weighted = [(one[key], one.get("pairs", one.get("queries", 1))) for one in found if one.get(key) is not None]
        total = sum(weight for _, weight in weighted)
        told[key] = round(sum(value * weight for value, weight in weighted) / total, 3) if total else None
    return {key: value for key, value in told.items() if value is not None}


def _texts_with_targets(collection: Collection) -> list[tuple[Entry, Entry]]:
    return [
        (query, collection.corpus[relevant[0]])
        for query, relevant in zip(collection.queries, collection.relevant, strict=True)
        if query.kind == "t" and relevant and collection.corpus[relevant[0]].kind == "v"
    ][:MOST]


def _preferred(
    right: np.ndarray[Any, np.dtype[np.float32]], wrong: np.ndarray[Any, np.dtype[np.float32]]
) -> dict[str, Any]:
    there = np.isfinite(right) & np.isfinite(wrong)
    count = int(there.sum())
    apart = right[there] - wrong[there]
    return {
        "pairs": count,
        "right": round(float((apart > NEAR).mean()), 6) if count else None,
        "ties": round(float((np.abs(apart) <= NEAR).mean()), 6) if count else None,
        "chance": 0.5,
        "abstained": len(right) - count,
    }


def _order(bench: Bench, collection: Collection, seed: int) -> dict[str, Any] | None:
    chosen = [
        (query, target)
        for query, target in _texts_with_targets(collection)
        if isinstance(target.media, FrameFiles | VideoFile | Stored)
    ]
    if not chosen:
        return None
    turned = [
        replace(target, id=f"{target.id} backwards", media=Backwards(target.media))
        for _, target in chosen
        if isinstance(target.media, FrameFiles | VideoFile | Stored)
    ]
    queries = bench.vectors([query for query, _ in chosen], bench.scorer.queries, f"order {collection.name}")
    forth = bench.vectors([target for _, target in chosen], bench.scorer.items, f"order {collection.name}")
    back = bench.vectors(turned, bench.scorer.items, f"order {collection.name}")
    return _preferred(bench.pairs(queries, forth), bench.pairs(queries, back))


def exchanged(text: str, rng: random.Random) -> str | None:
    """Return a text in which attributes were exchanged, so that it says something else; None where it has none."""
    for group in EXCHANGED:
        words = "|".join(re.escape(word) for word in group)
        before = next((f"(?<={what})" for word, what in NEEDS_CONTEXT.items() if word in group), "")
        marks = [one for one in re.finditer(rf"\b({words})\b", text, re.IGNORECASE) if _fits(before, text, one.start())]
        named = list(dict.fromkeys(one[0].lower() for one in marks))
        if not named:
            continue
        if len(named) > 1:
            one, other = named[0], named[1]
        else:
            one = named[0]
            other = rng.choice([word for word in group if word != one])
        swap = {one: other, other: one}
        pieces, end = [], 0
        for mark in marks:
            new = swap.get(mark[0].lower(), mark[0])
            pieces += [text[end : mark.start()], new.capitalize() if mark[0][0].isupper() else new]
            end = mark.end()
        changed = "".join([*pieces, text[end:]])
        if changed.lower() != text.lower():
            return changed
    return None


def _fits(before: str, text: str, at: int) -> bool:
    if not before:
        return True
    verbs = before[len("(?<=") : -1]
    return re.search(verbs + r"$", text[:at], re.IGNORECASE) is not None


def _attributes(bench: Bench, collection: Collection, seed: int) -> dict[str, Any] | None:
    chosen = []
    for query, target in _texts_with_targets(collection):
        other = exchanged(query.text or "", rng_of("attributes", seed, query.id))
        if other is not None:
            chosen.append((query, replace(query, id=f"{query.id} exchanged", text=other), target))
    if not chosen:
        return None
    true = bench.vectors([one for one, _, _ in chosen], bench.scorer.queries, f"attributes {collection.name}")
    false = bench.vectors([one for _, one, _ in chosen], bench.scorer.queries, f"attributes {collection.name}")
    shown = bench.vectors([one for _, _, one in chosen], bench.scorer.items, f"attributes {collection.name}")
    return _preferred(bench.pairs(true, shown), bench.pairs(false, shown))


def _scored(bench: Bench, collection: Collection, queries: Sequence[Entry], what: str) -> float | None:
    asked = bench.vectors(queries, bench.scorer.queries, what)
    corpus = bench.vectors(collection.corpus, bench.scorer.items, what)
    found = rank(bench.scorer, asked, corpus, collection.relevant, collection.candidates)
    table = table_of(
        [
            Found(ranks, len(places) + lost)
            for ranks, places, lost in zip(found.ranks, collection.relevant, collection.lost, strict=True)
        ]
    )
    return means(table)[collection.metric]


def _composition(bench: Bench, collection: Collection, seed: int) -> dict[str, Any] | None:
    if not all(query.kind in ("ti", "tv") for query in collection.queries):
        return None
    what = f"composition {collection.name}"
    parts = {
        "text": [replace(query, media=None) for query in collection.queries],
        "picture": [replace(query, text=None) for query in collection.queries],
        "both": list(collection.queries),
    }
    scores = {name: _scored(bench, collection, queries, what) for name, queries in parts.items()}
    alone = max(scores["text"] or 0.0, scores["picture"] or 0.0)
    return {**scores, "gain": round((scores["both"] or 0.0) - alone, 6), "queries": len(collection.queries)}


def misspelt(text: str, rng: random.Random, share: float = 0.2) -> str:
    """Return a text in which two neighbouring letters of some of its longer words are exchanged."""

    def turned(word: re.Match[str]) -> str:
        if rng.random() >= share:
            return word[0]
        at = rng.randrange(1, len(word[0]) - 2)
        return word[0][:at] + word[0][at + 1] + word[0][at] + word[0][at + 2 :]

    return re.sub(r"[A-Za-z]{4,}", turned, text)


def plain(text: str) -> str:
    """Return a text in small letters without punctuation."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


def _wording(bench: Bench, collection: Collection, seed: int) -> dict[str, Any] | None:
    if not all(query.text for query in collection.queries):
        return None
    told: dict[str, list[Entry]] = {"as given": list(collection.queries), "misspelt": [], "plain": []}
    for query in collection.queries:
        rng = rng_of("wording", seed, query.id)
        told["misspelt"].append(replace(query, text=misspelt(query.text or "", rng)))
        told["plain"].append(replace(query, text=plain(query.text or "") or query.text))
    scores = {name: _scored(bench, collection, own, f"wording {collection.name}") for name, own in told.items()}
    return {**scores, "queries": len(collection.queries)}
