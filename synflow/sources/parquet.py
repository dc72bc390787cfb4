"""Reader of parquet lists: columns by name, a batch of rows at a time."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synflow.errors import UsageError
from synflow.sources.lists import unreadable
from synflow.sources.objects import BucketFile
from synflow.sources.record import Entry

BATCH = 2048


def read_parquet(path: Path | BucketFile) -> Iterator[Entry]:
    """Yield the rows of a parquet list; columns that hold bytes are left out.

    Raises:
        UsageError: it cannot be read, or has neither a column ``path`` nor ``url``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream, pq.ParquetFile(stream) as file:
            columns = [field.name for field in file.schema_arrow if not _holds_bytes(pa, field.type)]
            if not {"path", "url"} & set(columns):
                raise UsageError(f"{path}: no column is called path or url", f"its columns: {', '.join(columns[:12])}")
            line = 0
            for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                for row in batch.to_pylist():
                    line += 1
                    yield Entry(line, {name: _plain(name, value) for name, value in row.items()})
    except (pa.ArrowException, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"{path}: not a parquet file that can be read: {reason}", "write the list anew") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _holds_bytes(pa: Any, kind: Any) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON has it; NaN means nothing but in ``start`` and ``end``, where it is a mistake."""
    if isinstance(value, float) and not math.isfinite(value) and name not in ("start", "end"):
        return None
    if isinstance(value, list | tuple):
        return [_plain("", item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain("", item) for key, item in value.items()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        number = float(value)
        return number if name in ("start", "end") else str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
