"""The tables of names in the lake: ``codes/zones.parquet`` and one object for each table of codes.

Each object is replaced as a whole; ``manifests/codes.json``, written last, says which version each is. A kill in
between leaves an object that is newer than the manifest says: the next load writes it again.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from flows.load.codes import outdated
from flows.load.lake.protocol import ABSENT, Lake, ObjectChanged
from flows.load.parquet.file import described, writer_options
from flows.tlc.codes import CodeRows
from flows.tlc.errors import TargetBusy, TargetUnavailable
from flows.tlc.locations import CODES_FOLDER, CODES_MANIFEST, codes_object

_KEY = "codes"


class CodesObject(BaseModel):
    """One table of names in the lake."""

    name: str
    version: str
    rows: int
    bytes: int
    crc32c: str | None


class CodesManifest(BaseModel):
    """The tables of names in the lake, by table."""

    tables: dict[str, CodesObject] = {}
    written_at: datetime


def read_versions(lake: Lake) -> dict[str, str]:
    """The version of each table of names whose object is there, by table; empty if its content is not known."""
    manifest, _ = _manifest(lake)
    return _versions(lake, manifest)


def replace_codes(lake: Lake, wanted: Iterable[CodeRows]) -> None:
    """Bring those of ``wanted`` that are out of date up to date, each as a whole, the manifest last.

    Raises TargetBusy if another writer took over meanwhile, TargetUnavailable and TargetError.
    """
    try:
        with lake.lock_month(_KEY) as lock:
            manifest, generation = _manifest(lake)
            late = outdated(wanted, _versions(lake, manifest))
            if not late:
                return
            tables = manifest.tables | {rows.name: _write(lake, rows) for rows in late}
            lock.check()
            new = CodesManifest(tables=tables, written_at=datetime.now(UTC))
            lake.write(CODES_MANIFEST, new.model_dump_json(indent=1).encode(), replaces=generation)
    except ObjectChanged as error:
        raise TargetBusy(f"another load was writing {lake.url_of(CODES_FOLDER)} ({error}). Run again.") from error


def read_codes(lake: Lake, table: str) -> pa.Table:
    """The rows of a table of names that the lake has. Raises TargetUnavailable if its object is not there."""
    content = lake.read(codes_object(table))
    if content is None:
        raise TargetUnavailable(f"{lake.url_of(codes_object(table))} is not there any more. Run again.")
    return pq.read_table(io.BytesIO(content))


def _manifest(lake: Lake) -> tuple[CodesManifest, int | None]:
    """What the lake's manifest says, and its generation; nothing of one that is not there or that nobody can read."""
    found = lake.read_current(CODES_MANIFEST)
    nothing = CodesManifest(written_at=datetime.now(UTC))
    if found is None:
        return nothing, ABSENT
    try:
        return CodesManifest.model_validate_json(found[0]), found[1]
    except ValidationError:  # another version's, or cut off: every object is written again
        return nothing, found[1]


def _versions(lake: Lake, manifest: CodesManifest) -> dict[str, str]:
    sizes = {item.name: item.bytes for item in lake.list(CODES_FOLDER)}
    return {table: item.version for table, item in manifest.tables.items() if sizes.get(item.name) == item.bytes}


def _write(lake: Lake, rows: CodeRows) -> CodesObject:
    name = codes_object(rows.name)
    schema = described(pa.schema([column.arrow_field for column in rows.table.columns]), {"version": rows.version})
    columns = list(zip(*rows.rows, strict=True)) or [()] * len(schema)
    content = io.BytesIO()
    table = pa.table([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema)
    pq.write_table(table, content, **writer_options(schema))
    present = lake.find(name)
    written = lake.write(name, content.getvalue(), replaces=present.generation if present else ABSENT)
    return CodesObject(name=name, version=rows.version, rows=table.num_rows, bytes=written.bytes, crc32c=written.crc32c)
