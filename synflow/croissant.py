"""``croissant.json``: the dataset as machines look for it, in Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synflow import __version__
from synflow.card import TASK_WORDS, in_one_line
from synflow.licences import is_listed
from synflow.manifest import Manifest
from synflow.store.contents import Contents

CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
"""The context that the standard lays down."""

TABLES: dict[str, str] = {
    "pairs": "one row for each training pair, with the place of its bytes in the shards",
    "clips": "one row for each clip, kept or dropped, with what was measured of it",
    "rejects": "one row for each clip or record that was dropped, with the reason",
}
KINDS = {"text": "sc:Text", "whole": "sc:Integer", "number": "sc:Float", "truth": "sc:Boolean"}

COLUMNS: dict[str, dict[str, tuple[str, str]]] = {
    "pairs": {
        "id": ("text", "id of the pair, a digest of task, query and target"),
        "record_id": ("text", "input record of the target"),
        "task": ("text", "t2v, t2i, i2v, t2t, ti2v, v2v or tv2v: what query and target are"),
        "domain": ("text", "ability of the UVRB benchmark that the pair trains"),
        "style": ("text", "style of the query's text; empty for a query without one"),
        "emphasis": ("text", "what the query's text is about: spatial, temporal ..."),
        "query_text": ("text", "text of the query"),
        "target_text": ("text", "text of the target"),
        "clip_id": ("text", "clip of the target"),
        "query_clip_id": ("text", "clip of the query's picture or segment"),
        "source_id": ("text", "sha256 of the target's source file"),
        "source_uri": ("text", "where the target's source was read from"),
        "licence": ("text", "of the pair: the most restrictive of those of its sources"),
        "query_source_uri": ("text", "source of the query's picture or segment, where it is another video's"),
        "query_licence": ("text", "licence of that source"),
        "target_licence": ("text", "licence of the target's source"),
        "relation": ("text", "how query and target of a composed pair relate"),
        "kinship": ("text", "what the target of a composed pair is to its reference"),
        "shard": ("text", "tar that holds the pair, relative to this file"),
        "key": ("text", "key of the pair in the tar"),
        "offset": ("whole", "byte of the tar at which the pair begins"),
        "bytes": ("whole", "bytes of the pair in the tar"),
        "model": ("text", "model whose answer was used last"),
        "prompt": ("text", "prompt that it was asked with"),
    },
    "clips": {
        "record_id": ("text", "input record that the clip is of"),
        "clip_id": ("text", "id of the clip, a digest of source, span and cut rule"),
        "source_uri": ("text", "where the source was read from"),
        "start": ("number", "begin of the clip in its source, seconds"),
        "end": ("number", "end of the clip in its source, seconds"),
        "width": ("whole", "pixels"),
        "height": ("whole", "pixels"),
        "fps": ("number", "pictures per second, on average"),
        "codec": ("text", "codec of the source"),
        "phash": ("text", "perceptual hash, hexadecimal"),
        "kept": ("truth", "whether the clip is in the dataset"),
    },
    "rejects": {
        "record_id": ("text", "input record"),
        "clip_id": ("text", "clip; empty for a record that was dropped before it had clips"),
        "source_uri": ("text", "where the source was read from"),
        "stage": ("text", "stage that dropped it"),
        "reason": ("text", "reason code"),
        "detail": ("text", "what the reason names"),
    },
}
"""Columns of the index tables that Croissant can describe; it has no maps, so measures and scores are left out."""


def croissant(manifest: Manifest, value: Mapping[str, Any], contents: Contents) -> bytes:
    """Return the metadata of a finished run as one JSON document; the same run gives the same bytes.

    Args:
        manifest: of the run.
        value: what ``dataset.json`` says.
        contents: what was counted.
    """
    total = sum(value["pairs"].values())
    told = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": f"{total:,} retrieval pairs from {contents.videos:,} videos, made by synflow {__version__}: "
        + "; ".join(f"{number:,} {TASK_WORDS[task]}" for task, number in value["pairs"].items()),
        "version": "1.0.0",
        "url": f"urn:sha256:{value['fingerprint']}",
        "license": [licence_url(name) for name in sorted(contents.licences)] or ["unknown"],
        "creator": {"@type": "sc:Organization", "name": manifest.name},
        "keywords": ["video retrieval", "multimodal embedding", *value["pairs"]],
        "isLiveDataset": False,
        "distribution": [*_tables(value["index"]), *_shards(value["shards"])],
        "recordSet": [_records(name) for name in TABLES],
    }
    return json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", errors="replace") + b"\n"


def licence_url(name: str) -> str:
    """Return the page of SPDX on a licence that is listed; else its name, made safe."""
    return f"https://spdx.org/licenses/{name}" if is_listed(name) else in_one_line(name)


def _file(name: str, path: str, kind: str, ref: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": path, "contentSize": f"{ref['bytes']} B",
        "encodingFormat": kind, "sha256": ref["sha256"],
    }  # fmt: skip


def _tables(index: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _file(f"{name}.parquet", f"index/{name}.parquet", "application/x-parquet", index[f"{name}.parquet"])
        for name in TABLES
    ]


def _shards(shards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tars, and for each task the samples in them; a sample is a pair, its members share a key."""
    found = [_file(one["path"].rsplit("/", 1)[1], one["path"], "application/x-tar", one) for one in shards]
    for task in dict.fromkeys(one["task"] for one in shards):
        tars = [{"@id": one["path"].rsplit("/", 1)[1]} for one in shards if one["task"] == task]
        about = f"{TASK_WORDS[task]}: for each pair its record, with instruction, provenance, licences and scores"
        found.append(
            {
                "@type": "cr:FileSet", "@id": f"{task}-records", "name": f"{task}-records", "description": about,
                "containedIn": tars, "encodingFormat": "application/json", "includes": "*.json",
            }
        )  # fmt: skip
    return found


def _records(table: str) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field", "@id": f"{table}/{name}", "name": name, "description": about,
            "dataType": KINDS[kind],
            "source": {"fileObject": {"@id": f"{table}.parquet"}, "extract": {"column": name}},
        }
        for name, (kind, about) in COLUMNS[table].items()
    ]  # fmt: skip
    key = {"key": {"@id": "pairs/id"}} if table == "pairs" else {}
    return {"@type": "cr:RecordSet", "@id": table, "name": table, "description": TABLES[table], **key, "field": fields}
