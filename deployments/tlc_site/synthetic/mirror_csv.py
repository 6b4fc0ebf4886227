"""A month in the CSV form of the mirror, which predates TLC's Parquet files: other columns, other spelling."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from deployments.tlc_site.synthetic.file_formats import ARROW_TYPES, csv_columns, field_of
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

# What the mirror calls otherwise than the Parquet file of the same month.
_COUNTERPARTS = {"sr_flag": "shared_request_flag", "affiliated_base_number": "originating_base_num"}
_BATCH_ROWS = 65_536

Column = Any  # a pa.ChunkedArray: the stubs' overloads of pyarrow.compute know too few of its functions' arguments


def write_csv(table: pa.Table, dataset: Dataset, month: Month, file: gzip.GzipFile | io.BufferedIOBase) -> None:
    """Write a raw month as the mirror has it: unquoted, CRLF, times in whole seconds, nulls as nothing."""
    columns = csv_columns(dataset, month)
    written = pa.table(_csv_columns(table, dataset, columns), names=list(columns))
    file.write((",".join(columns) + "\r\n").encode())
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    for batch in written.to_batches(max_chunksize=_BATCH_ROWS):
        lines = io.BytesIO()
        pyarrow.csv.write_csv(batch, lines, options)
        file.write(lines.getvalue().replace(b"\n", b"\r\n"))


def _csv_columns(table: pa.Table, dataset: Dataset, columns: dict[str, str]) -> list[Column]:
    raw = {field_of(name): table[name] for name in table.column_names}
    if dataset in (Dataset.yellow, Dataset.green):
        metered = pc.is_valid(raw["passenger_count"])
        for field in ("vendorid", "payment_type"):
            raw[field] = pc.if_else(metered, raw[field], pa.scalar(None, raw[field].type))
    return [_spelled(raw, field_of(name), kind) for name, kind in columns.items()]


def _spelled(raw: dict[str, Column], field: str, kind: str) -> Column:
    column = raw[field] if field in raw else raw[_COUNTERPARTS[field]]
    if kind == "miles":
        return _miles(column)
    if kind == "timestamp":
        return column.cast(pa.timestamp("s"))
    if kind == "int64" and pa.types.is_string(column.type):
        return pc.if_else(pc.equal(column, pa.scalar("Y")), 1, pa.scalar(None, pa.int64()))
    return column.cast(ARROW_TYPES[kind])


def _miles(distances: Column) -> Column:
    """Two decimals, and no zero before the point: ``.79``, ``1.40``."""
    hundredths = pc.round(pc.multiply(distances, 100)).cast(pa.int64())
    whole = pc.divide(hundredths, 100)
    cents = pc.subtract(hundredths, pc.multiply(whole, 100))
    before_point = pc.if_else(pc.equal(whole, pa.scalar(0)), "", whole.cast(pa.string()))
    return pc.binary_join_element_wise(before_point, pc.utf8_lpad(cents.cast(pa.string()), 2, "0"), ".")
