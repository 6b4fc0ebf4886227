"""The manifest's objects in a bucket as rows for DuckDB: this process fetches them, since DuckDB's wheel cannot.

A row group is in memory at a time, whatever the month's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from flows.load.lake.manifest import ManifestObject
from flows.load.lake.object_file import LakeFile
from flows.load.lake.protocol import Lake, LakeObject, ObjectChanged
from flows.load.warehouse.protocol import WarehouseLoad
from flows.tlc.errors import TargetBusy, TargetMismatch

_NAME = "lake_rows"
# Rows given to DuckDB at a time.
_BATCH_ROWS = 1 << 16
# What DuckDB may take beside what fetching takes: 3.6 million yellow rows peak at 488 MB in all, and at 596 MB with the
# usual limit. Both take 11 to 14 s beside other work.
_MEMORY = "300MB"


@contextmanager
def object_rows(connection: duckdb.DuckDBPyConnection, load: WarehouseLoad, lake: Lake) -> Iterator[str]:
    """The name of a relation with the rows of all objects, which can be read once.

    Raises TargetBusy if an object is not the manifest's (any more), TargetMismatch if its columns are not the declared
    ones, and what the lake raises.
    """
    rows = _Rows(load, lake)
    connection.execute(f"set memory_limit = '{_MEMORY}'")
    connection.register(_NAME, pa.RecordBatchReader.from_batches(rows.schema, rows.batches()))
    try:
        yield _NAME
    except duckdb.Error as error:
        if rows.error is None:
            raise
        raise rows.error from error
    connection.unregister(_NAME)  # if the transaction failed, so did the registration


class _Rows:
    """The objects' rows. ``error`` is what ended them: DuckDB would pass on nothing but its text."""

    def __init__(self, load: WarehouseLoad, lake: Lake):
        self._load = load
        self._lake = lake
        self.schema = pa.schema(load.schema.arrow.field(name) for name in load.manifest.columns)
        self.error: Exception | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for item in self._load.objects:
                yield from self._of_object(item)
        except ObjectChanged as error:
            self.error = TargetBusy(_rewritten(str(error), "was replaced while it was read"))
            raise
        except Exception as error:
            self.error = error
            raise

    def _of_object(self, item: ManifestObject) -> Iterator[pa.RecordBatch]:
        with LakeFile(self._lake, self._find(item)) as file, self._open(item, file) as parquet:
            for index in range(parquet.num_row_groups):
                group = parquet.read_row_group(index, columns=self.schema.names)
                yield from group.select(self.schema.names).to_batches(max_chunksize=_BATCH_ROWS)

    def _find(self, item: ManifestObject) -> LakeObject:
        found = self._lake.find(item.name)
        if found is None:
            raise TargetBusy(_rewritten(self._lake.url_of(item.name), "is not there"))
        if (found.bytes, found.crc32c, found.generation) != (item.bytes, item.crc32c, item.generation):
            raise TargetBusy(_rewritten(self._lake.url_of(item.name), "is not the object that the manifest names"))
        return found

    def _open(self, item: ManifestObject, file: LakeFile) -> pq.ParquetFile:
        """Raises TargetMismatch if it is no Parquet file with the declared columns: a cast would round to fit."""
        # pre_buffer fetches a row group in one or few ranges, instead of one request a column.
        try:
            parquet = pq.ParquetFile(file, pre_buffer=True)
        except (pa.ArrowException, OSError) as error:  # the second is Arrow's error for a footer that it cannot parse
            raise self._unlike(item, str(error).splitlines()[0]) from error
        for column in self.schema:
            index = parquet.schema_arrow.get_field_index(column.name)
            found = parquet.schema_arrow.field(index).type if index >= 0 else "not there"
            if found != column.type:
                raise self._unlike(item, f"column '{column.name}' is {found}, but {column.type} is declared")
        return parquet

    def _unlike(self, item: ManifestObject, what: str) -> TargetMismatch:
        return TargetMismatch(
            f"{self._lake.url_of(item.name)} is not as flows/tlc/schemas/{self._load.dataset}.toml has it: {what}. The "
            "lake was written by another version: write the month anew with api_to_gcs and force=True."
        )


def _rewritten(url: str, what: str) -> str:
    return (
        f"{url} {what}: the month is being written anew, or someone changed it. Run again; if it stays so, write it "
        "with api_to_gcs and force=True."
    )
