"""A month of the lake in the order of its pickups: always the same, whatever the order and the layout of its objects.

So each trip has the same number in every replay of the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.object_file import LakeFile
from flows.load.lake.protocol import Lake, ObjectChanged
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetBusy
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.month import Month
from flows.tlc.schema import schema_of

_BATCH_ROWS = 5_000


def trips_by_day(lake: Lake, dataset: Dataset, month: Month, manifest: Manifest) -> Iterator[pa.RecordBatch]:
    """The trips of a month that has the layout ``partitioned``, with one day in memory.

    Raises TargetBusy if the month is replaced meanwhile, and what the lake raises.
    """
    keys = [(name, "ascending") for name in order_of(dataset)]
    for item in sorted(manifest.of_layout("partitioned"), key=lambda item: item.name):
        try:
            trips = _read(lake, item, schema_of(dataset).arrow)
        except (ObjectChanged, pa.ArrowException, OSError) as error:  # the last: a footer that Arrow cannot parse
            raise _replaced(lake, item) from error
        if lake.read_manifest(dataset, month) != manifest:
            raise _replaced(lake, item)
        pa.default_memory_pool().release_unused()  # 30 MB that reading took
        indices = pc.sort_indices(trips, sort_keys=keys)
        for start in range(0, trips.num_rows, _BATCH_ROWS):
            yield trips.take(indices.slice(start, _BATCH_ROWS)).combine_chunks().to_batches()[0]


def ordered_select(dataset: Dataset) -> str:
    """The lake's query for the same, where a month has no other layout."""
    names, keys = ", ".join(schema_of(dataset).names), ", ".join(order_of(dataset))
    table = trips_table(dataset)
    return f"select {names} from {SCHEMA}.{table} order by {keys}"  # noqa: S608


def order_of(dataset: Dataset) -> list[str]:
    """The columns to sort by: the pickup, then all others, by which only twins are equal."""
    schema = schema_of(dataset)
    pickup = schema.role("pickup")
    assert pickup is not None, "every dataset has a pickup time"
    return [pickup.name, *(name for name in schema.names if name != pickup.name)]


def _read(lake: Lake, item: ManifestObject, schema: pa.Schema) -> pa.Table:
    """An object's rows with the declared columns, those that it lacks null; kept ones are left out."""
    found = lake.find(item.name)
    if found is None or found.bytes != item.bytes:
        raise ObjectChanged(item.name)
    with LakeFile(lake, found) as file:
        parquet = pq.ParquetFile(file)
        names = [name for name in schema.names if name in parquet.schema_arrow.names]
        table = parquet.read(columns=names, use_threads=False)
    columns = [table[field.name] if field.name in names else pa.nulls(len(table), field.type) for field in schema]
    return pa.table(columns, names=schema.names)


def _replaced(lake: Lake, item: ManifestObject) -> TargetBusy:
    return TargetBusy(
        f"{lake.url_of(item.name)} is not the object that the manifest names: the month is being replaced. Run again; "
        "if it stays so, write it with api_to_gcs and force=True."
    )
