"""Rows of a query as CSV, JSON or Parquet, written batch by batch."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import BinaryIO, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from flows.tlc.errors import ParameterError
from flows.tlc.visible import FORMULA, in_json

FileFormat = Literal["csv", "json", "parquet"]
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
# A row group, as in the lake: 2^18 rows, or those that fill 24 MB in memory.
_GROUP_ROWS, _GROUP_BYTES = 1 << 18, 24 << 20


class RowFile(ABC):
    """Rows on their way into a file; ``rows`` counts them, ``guarded`` the cells that got an apostrophe."""

    def __init__(self, file: BinaryIO, schema: pa.Schema):
        self.file = file
        self.schema = schema
        self.rows = 0
        self.guarded = 0

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Write its rows, now or once a group is full."""

    @abstractmethod
    def finish(self) -> None:
        """Write what is left."""


class CsvFile(RowFile):
    """With a header. Missing values are empty, empty texts are ``""``.

    ``guard``: texts that a spreadsheet would take for a formula begin with an apostrophe. Numbers never do.
    """

    def __init__(self, file: BinaryIO, schema: pa.Schema, *, guard: bool = True):
        super().__init__(file, schema)
        self._guard = guard
        names = self._guarded(pa.array(schema.names, pa.string())).to_pylist() if guard else schema.names
        types = [pa.string() if _is_text_in_csv(column.type) else column.type for column in schema]
        self._schema = pa.schema([pa.field(name, kind) for name, kind in zip(names, types, strict=True)])
        self._writer = pyarrow.csv.CSVWriter(file, self._schema)

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [_as_text(column) if _is_text_in_csv(column.type) else column for column in batch.columns]
        if self._guard:
            columns = [self._guarded(column) if pa.types.is_string(column.type) else column for column in columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self.rows += batch.num_rows

    def finish(self) -> None:
        self._writer.close()

    def _guarded(self, texts: pa.Array) -> pa.Array:
        found = pc.match_substring_regex(texts, FORMULA)
        self.guarded += pc.sum(found).as_py() or 0
        return pc.if_else(found, pc.binary_join_element_wise("'", texts, ""), texts)


class JsonFile(RowFile):
    """One array, an object a row, each on a line of its own. Numbers that JSON lacks, as NaN, are null."""

    def __init__(self, file: BinaryIO, schema: pa.Schema):
        super().__init__(file, schema)
        _refuse_same_names(schema, "JSON")
        file.write(b"[")

    def write(self, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            self.file.write(b",\n" if self.rows else b"\n")
            self.file.write(in_json(_json_value(row)).encode())
            self.rows += 1

    def finish(self) -> None:
        self.file.write(b"\n]\n")


class ParquetFile(RowFile):
    """Zstd, in row groups as large as the lake's."""

    def __init__(self, file: BinaryIO, schema: pa.Schema):
        super().__init__(file, schema)
        _refuse_same_names(schema, "Parquet")
        columns = [column.with_type(pa.string()) if _is_interval(column.type) else column for column in schema]
        self._schema = pa.schema(columns)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [_as_text(column) if _is_interval(column.type) else column for column in batch.columns]
        self._waiting.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self.rows += batch.num_rows
        waiting = sum(one.num_rows for one in self._waiting), sum(one.nbytes for one in self._waiting)
        if waiting[0] >= _GROUP_ROWS or waiting[1] >= _GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        if self._waiting:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=_GROUP_ROWS)
        self._waiting.clear()


def open_rows(file_format: FileFormat, file: BinaryIO, schema: pa.Schema, *, guard: bool) -> RowFile:
    """The file of that format. Raises ParameterError for two columns of one name where a format has but one."""
    makers: dict[FileFormat, Callable[[], RowFile]] = {
        "csv": lambda: CsvFile(file, schema, guard=guard),
        "json": lambda: JsonFile(file, schema),
        "parquet": lambda: ParquetFile(file, schema),
    }
    return makers[file_format]()


def _refuse_same_names(schema: pa.Schema, kind: str) -> None:
    twice = {name for name in schema.names if schema.names.count(name) > 1}
    if twice:
        raise ParameterError(
            f"two columns are called {', '.join(map(repr, sorted(twice)))}, and {kind} tells them by their names: "
            "name them with 'as'."
        )


def _is_interval(kind: pa.DataType) -> bool:
    return bool(pa.types.is_interval(kind) or pa.types.is_duration(kind))


def _is_text_in_csv(kind: pa.DataType) -> bool:
    is_bytes = pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind)
    is_text = pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(is_bytes or is_text or pa.types.is_nested(kind) or _is_interval(kind))


def _as_text(column: pa.Array) -> pa.Array:
    return pa.array([text_of(value) for value in column.to_pylist()], pa.string())


def text_of(value: object) -> str | None:
    """A value as one text; lists and structs as JSON, bytes in hexadecimal."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(_json_value(value), ensure_ascii=False) if isinstance(value, list | dict) else _plain_text(value)


def _plain_text(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def _json_value(value: object) -> object:
    """What ``json`` writes for a value."""
    if isinstance(value, dict):
        return {str(key): _json_value(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_json_value(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    is_plain = value is None or isinstance(value, bool | int | str)
    return value if is_plain else _plain_text(value)
