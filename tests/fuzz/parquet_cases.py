"""Mutated Parquet files: columns of other types, at other places, with values at the edges; and what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.bases import Base
from tests.fuzz.columns import schema
from tests.fuzz.kinds import KINDS, NONE, PER_SECOND, as_kind, build, edges_of
from tests.fuzz.oracle import Stamp


@dataclass
class FileColumn:
    """A column of the file: its name, its values in Arrow, and the same for the oracle."""

    name: str
    array: pa.Array
    values: list[Any]


def make_columns(random: Random, base: Base) -> list[FileColumn]:
    """The base's columns, some of them mutated."""
    assert base.table is not None
    rows = _pick_rows(random, base.table.num_rows)
    table = base.table.take(pa.array(rows, pa.int64()))
    columns = [_column(name, table[name].combine_chunks()) for name in table.column_names]
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        place = random.randrange(len(columns))
        columns[place] = _drift(random, columns[place], random.random() < 0.75)
    for _ in range(random.choice([0, 0, 1, 1, 2])):
        random.choice([_swap, _rename, _double, _drop, _add])(random, columns, base)
    if random.random() < 0.2:
        random.shuffle(columns)
    return columns


def write(random: Random, columns: list[FileColumn], path: Path) -> bool:
    """Write the file in one of many ways; returns whether its pages have checksums."""
    table = pa.Table.from_arrays([column.array for column in columns], names=[column.name for column in columns])
    checksums = random.random() < 0.6
    pq.write_table(
        table,
        path,
        compression=random.choice(["none", "snappy", "gzip", "zstd", "lz4"]),
        use_dictionary=random.random() < 0.5,
        data_page_version=random.choice(["1.0", "2.0"]),
        version=random.choice(["2.4", "2.6", "2.6"]),
        row_group_size=random.choice([1_000, 64, 17]),
        data_page_size=random.choice([None, 100]),
        write_page_checksum=checksums,
        store_schema=random.random() < 0.7,
        use_deprecated_int96_timestamps=random.random() < 0.1 and _fits_int96(columns),
        allow_truncated_timestamps=False,
    )
    return checksums


def _fits_int96(columns: Iterable[FileColumn]) -> bool:
    stamps = [value for column in columns for value in column.values if isinstance(value, Stamp)]
    return all(not stamp.zone and 0 <= stamp.count < 33_000_000_000 * PER_SECOND[stamp.unit] for stamp in stamps)


def _pick_rows(random: Random, total: int) -> list[int]:
    rows = list(range(total))
    change = random.random()
    if change < 0.2:
        start = random.randrange(total)
        rows[start:start] = rows[start : start + random.randrange(1, 40)] * random.randrange(1, 4)
    elif change < 0.3:
        random.shuffle(rows)
    elif change < 0.5:
        rows = rows[: random.choice([0, 1, 2, 17, 63, 64, 65, 128])]
    return rows


def _column(name: str, array: pa.Array) -> FileColumn:
    kind = array.type
    if pa.types.is_timestamp(kind):
        counts = array.cast(pa.int64()).to_pylist()
        return FileColumn(name, array, [None if count is None else Stamp(count, kind.unit) for count in counts])
    return FileColumn(name, array, array.to_pylist())


def _drift(random: Random, column: FileColumn, with_edges: bool) -> FileColumn:
    """The column in another type, or its own; values that the other type cannot hold become others."""
    kind = random.choice(KINDS)
    edges = edges_of(kind)
    found = [None if value is None else as_kind(kind, value) for value in column.values]
    raws = [random.choice(edges) if raw is NONE else raw for raw in found]
    if with_edges and raws:
        for _ in range(random.choice([1, 1, 2, 10])):
            raws[random.randrange(len(raws))] = random.choice([None, *edges])
    array, values = build(kind, raws)
    return FileColumn(column.name, array, values)


def _swap(random: Random, columns: list[FileColumn], _base: Base) -> None:
    """Two columns change their names, or their places."""
    one, other = random.randrange(len(columns)), random.randrange(len(columns))
    columns[one], columns[other] = columns[other], columns[one]
    if random.random() < 0.5:
        columns[one].name, columns[other].name = columns[other].name, columns[one].name


def _rename(random: Random, columns: list[FileColumn], base: Base) -> None:
    column = random.choice(columns)
    others = [name for known in schema(base.dataset)["columns"].values() for name in known["source_names"]]
    column.name = random.choice(
        [column.name.upper(), f" {column.name} ", column.name.swapcase(), random.choice(others), "fee_2027", "", "ctid"]
    )


def _double(random: Random, columns: list[FileColumn], _base: Base) -> None:
    column = random.choice(columns)
    twin = FileColumn(column.name, column.array, column.values)
    change = random.random()
    if change < 0.3:
        twin = _drift(random, twin, True)
    elif change < 0.5:
        twin = FileColumn(column.name, pa.nulls(len(column.values)), [None] * len(column.values))
    twin.name = random.choice([twin.name, twin.name.upper()])
    columns.insert(random.randrange(len(columns) + 1), twin)


def _drop(random: Random, columns: list[FileColumn], _base: Base) -> None:
    if len(columns) > 1:
        del columns[random.randrange(len(columns))]


def _add(random: Random, columns: list[FileColumn], _base: Base) -> None:
    rows = len(columns[0].values)
    column = FileColumn("", pa.array(["x"] * rows, pa.string()), ["x"] * rows)
    if random.random() < 0.7:
        column = _drift(random, column, True)
    column.name = random.choice(["fee_2027", "__index_level_0__", "Unnamed: 0", "", " ", "2nd Fee", "ctid", "Ünï"])
    columns.insert(random.randrange(len(columns) + 1), column)
