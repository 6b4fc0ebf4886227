"""One Parquet file, written row group by row group with bounded memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.load.crc32c import crc32c_of_file
from flows.tlc.locations import Layout

_EPOCH = date(1970, 1, 1).toordinal()
# A row group is what a reader skips or takes as a whole: 2^18 rows, or those that fill 24 MB in memory, 150,000 of
# yellow. Four times as much makes the files 6 % smaller, and the load 130 MB larger (docs/decisions.md).
ROW_GROUP_ROWS = 1 << 18
ROW_GROUP_BYTES = 24 << 20


@dataclass(frozen=True)
class ParquetFile:
    """A finished file on local disk; ``name`` is the one that it will have in the lake."""

    path: Path
    name: str
    rows: int
    bytes: int
    crc32c: str
    layout: Layout | None = None


@dataclass
class RowGroups:
    """An open Parquet file: batches are kept until they make a row group."""

    path: Path
    schema: pa.Schema
    rows: int = 0
    buffered_bytes: int = 0
    _buffered_rows: int = 0
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _writer: Any = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the batch; write if a row group is full, or would not hold it: no small row groups."""
        if self._batches and self._buffered_rows + batch.num_rows > ROW_GROUP_ROWS:
            self.flush()
        self._batches.append(batch)
        self.buffered_bytes += batch.nbytes
        self._buffered_rows += batch.num_rows
        if self._buffered_rows >= ROW_GROUP_ROWS or self.buffered_bytes >= ROW_GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is kept as a row group."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, self.schema, **writer_options(self.schema))
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches, self.schema), row_group_size=ROW_GROUP_ROWS)
            self.rows += self._buffered_rows
            pa.default_memory_pool().release_unused()  # 15 MB less at the peak, 60 MB at the end, no time
        self._batches.clear()
        self._buffered_rows = self.buffered_bytes = 0

    def finish(self, name: str, layout: Layout | None = None) -> ParquetFile:
        """Write the rest and the footer."""
        self.flush()
        self._writer.close()
        return ParquetFile(self.path, name, self.rows, self.path.stat().st_size, crc32c_of_file(self.path), layout)

    def abandon(self) -> None:
        """Close the file as it is; it is of no use."""
        self._batches.clear()
        if self._writer is not None:
            self._writer.close()


def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """What pyarrow's writer is told: the same for every file of the lake.

    Times are written plain: nearly each is another one, so that a dictionary of them fills up in vain. With one, the
    files are a quarter larger and take a tenth longer to write (docs/decisions.md). Arrow's delta encoding would save
    another 5 %, but older readers do not know it.
    """
    return {
        "compression": "zstd",
        "version": "2.6",
        "coerce_timestamps": "us",
        "write_statistics": True,
        "use_dictionary": [field.name for field in schema if not pa.types.is_timestamp(field.type)],
    }


def described(schema: pa.Schema, about: dict[str, str | None]) -> pa.Schema:
    """The schema with what the file says about itself: ``about``, and each column's description and unit as JSON.

    Arrow's own readers find description and unit at the fields, too.
    """
    columns = {column.name: _texts(column.metadata) for column in schema}
    known = {key: value for key, value in about.items() if value is not None}
    return schema.with_metadata({"created_by": _created_by(), **known, "columns": json.dumps(columns)})


def pickup_days(batch: pa.RecordBatch, column: str) -> Any:
    """The date of each row's ``column``, a timestamp or a date."""
    return batch.column(column).cast(pa.date32(), safe=False)


def as_date(value: int) -> date:
    """A date32's number of days as a date."""
    return date.fromordinal(_EPOCH + value)


def _texts(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}


def _created_by() -> str:
    try:
        return f"nyc-taxi-flows {version('nyc-taxi-flows')}"
    except PackageNotFoundError:
        return "nyc-taxi-flows"
