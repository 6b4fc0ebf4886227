"""A query of the lake by an in-memory DuckDB: views ``tlc.{dataset}_trips`` over the objects that the manifests name.

The tables of names, as ``tlc.zones``, are there too.

A folder's files are read by DuckDB itself, a bucket's objects through the project's own reader, by ranges: a query
fetches the columns and row groups that it needs. Manifests are read before, and compared afterwards: an answer is of
one version of each month, or an error.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from flows.load.duckdb.files import read_parquet
from flows.load.duckdb.query import QUERY_SETTINGS, one_select, open_query, query_errors
from flows.load.duckdb.tables import literal, quoted
from flows.load.lake.codes import read_codes, read_versions
from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.object_files import PROTOCOL, LakeObjects, rewritten
from flows.load.lake.protocol import Lake, LakeObject
from flows.load.lake.read_manifests import read_manifests
from flows.tlc.codes import code_tables
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetMismatch
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.tlc.urls import url_to_path

InRange = Callable[[Month], bool]


@contextmanager
def query_lake(
    lake: Lake, sql: str, work_dir: Path, in_range: InRange = lambda _month: True
) -> Iterator[pa.RecordBatchReader]:
    """The rows of one SELECT over the lake's months, those that are ``in_range``, batch by batch.

    ``work_dir`` is for what does not fit into memory. Raises ParameterError, TargetError with what DuckDB says,
    TargetMismatch if the lake has no month of a dataset that the query names, TargetBusy if months were replaced
    meanwhile, and what the lake raises.
    """
    place = f"the lake {lake.url}"
    work_dir.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="query-", dir=work_dir) as spill,
        duckdb.connect(config=QUERY_SETTINGS) as db,
    ):
        with query_errors(place):
            db.execute(f"set temp_directory = {literal(spill)}")
            db.execute(f"create schema {SCHEMA}")
            tables = db.get_table_names(one_select(sql), qualified=True)
        named = {_table_of(name) for name in tables}
        manifests = {one: read_manifests(lake, one, in_range) for one in Dataset if trips_table(one) in named}
        files = _files_of(lake, manifests.values())
        if isinstance(files, LakeObjects):
            db.register_filesystem(files)
        cause = (lambda: files.error) if isinstance(files, LakeObjects) else (lambda: None)
        with query_errors(place, cause):
            for dataset, found in manifests.items():
                db.execute(_view(lake, dataset, found.values()))
            _copy_codes(db, lake, named)
        readable = [f"{PROTOCOL}://"] if isinstance(files, LakeObjects) else [str(files)]
        with open_query(db, sql, place, [*readable, spill], cause) as rows:
            yield pa.RecordBatchReader.from_batches(rows.schema, _and_unchanged(rows, lake, manifests, in_range))


def _and_unchanged(
    rows: Iterable[pa.RecordBatch],
    lake: Lake,
    manifests: dict[Dataset, dict[Month, Manifest]],
    in_range: InRange,
) -> Iterator[pa.RecordBatch]:
    """The rows; after the last, TargetBusy if the lake has other objects by now than when it was asked."""
    yield from rows
    for dataset, found in manifests.items():
        now = read_manifests(lake, dataset, in_range)
        changed = [month for month in found if month not in now or now[month].objects != found[month].objects]
        if changed:
            raise rewritten(f"{dataset} {', '.join(map(str, changed))} in the lake {lake.url}")


def _files_of(lake: Lake, manifests: Iterable[dict[Month, Manifest]]) -> Path | LakeObjects:
    """Where DuckDB reads the objects: the folder, or a file system of the objects."""
    if (folder := url_to_path(lake.url)) is not None:
        return folder
    objects = (item for found in manifests for manifest in found.values() for item in _objects(manifest))
    return LakeObjects(
        lake, {item.name: LakeObject(item.name, item.bytes, item.crc32c, item.generation) for item in objects}
    )


def _objects(manifest: Manifest) -> list[ManifestObject]:
    """The month's objects, once."""
    return manifest.of_layout("unpartitioned") or manifest.of_layout("partitioned")


def _view(lake: Lake, dataset: Dataset, manifests: Iterable[Manifest]) -> str:
    """The view of a dataset: its declared columns in order, then kept ones; null in the months that lack them."""
    by_columns: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for manifest in manifests:
        # Files of one version of conforming have the same types: none of another is cast to theirs.
        key = (manifest.conform_version, *manifest.columns)
        by_columns[key] += [_path(lake, item) for item in _objects(manifest)]
    groups = [(columns, paths) for (_, *columns), paths in by_columns.items() if paths]
    if not groups:
        raise TargetMismatch(
            f"the lake {lake.url} has no month of {dataset} trips that the query may read: load some with api_to_gcs."
        )
    present = dict.fromkeys(name for columns, _ in groups for name in columns)
    declared = schema_of(dataset)
    columns = [
        quoted(column.name) if column.name in present else f"null::{column.duckdb} as {quoted(column.name)}"
        for column in declared.columns
    ]
    columns += [quoted(name) for name in present if name not in declared.names]
    parts = " union all by name ".join(
        f"select {_names(own)} from {read_parquet(paths)}"  # noqa: S608
        for own, paths in groups
    )
    table = trips_table(dataset)
    return f"create view {SCHEMA}.{table} as select {', '.join(columns)} from ({parts})"  # noqa: S608


def _copy_codes(db: duckdb.DuckDBPyConnection, lake: Lake, named: set[str]) -> None:
    """Make those tables of names that the query names and the lake has: they are small."""
    wanted = {table.name for table in code_tables()} & named
    for table in sorted(wanted & read_versions(lake).keys() if wanted else wanted):
        db.register("in_lake", read_codes(lake, table))
        db.execute(f"create table {SCHEMA}.{quoted(table)} as select * from in_lake")  # noqa: S608
        db.unregister("in_lake")


def _table_of(name: str) -> str:
    """The table alone, of what DuckDB names ``tlc.green_trips AS t``."""
    return name.split(" AS ", maxsplit=1)[0].rpartition(".")[2].strip('"').lower()


def _names(columns: list[str]) -> str:
    return ", ".join(map(quoted, columns))


def _path(lake: Lake, item: ManifestObject) -> str:
    folder = url_to_path(lake.url)
    return f"{PROTOCOL}://{item.name}" if folder is None else str(folder / item.name)
