"""The control sums of a month in the lake, from what its objects hold, and whether these are the manifest's.

Only the columns that control sums need are fetched, a row group at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from flows.load.lake.manifest import Manifest, ManifestObject
from flows.load.lake.object_file import LakeFile
from flows.load.lake.protocol import Lake, ObjectChanged
from flows.tlc.dataset import Dataset
from flows.tlc.errors import TargetBusy
from flows.tlc.locations import Layout
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.schema import Schema, schema_of
from flows.tlc.totals import Totals
from flows.transform.totals import TotalsColumns, join_totals, sum_trips

# Objects read at once: each has a row group's columns in memory, 6 MB at most, and on Cloud Storage waits most of the
# time.
_AT_ONCE = 4
# Times that a month is read while another load replaces it; each takes seconds, a replacement a second or two.
_LOOKS = 3


@dataclass(frozen=True)
class LayoutTotals:
    """What one layout of a month holds.

    ``totals`` is None if ``damage`` says that objects are missing, are not the manifest's, or cannot be read.
    """

    layout: Layout
    totals: Totals | None
    damage: tuple[str, ...] = ()


@dataclass(frozen=True)
class LakeMonth:
    """A month in the lake: the load that its manifest tells of, and each layout."""

    load: LoadReport
    layouts: list[LayoutTotals]


def sum_month(lake: Lake, dataset: Dataset, month: Month) -> LakeMonth | None:
    """The control sums of each layout of the month; None if the lake does not have it.

    One version of the month: if it is replaced meanwhile, it is read again. Raises TargetBusy if that goes
    on, and what the lake raises.
    """
    for _ in range(_LOOKS):
        manifest = lake.read_manifest(dataset, month)
        if manifest is None:
            return None
        layouts = [_sum_layout(lake, dataset, layout, items) for layout, items in _by_layout(manifest)]
        if not any(found.damage for found in layouts) or lake.read_manifest(dataset, month) == manifest:
            return LakeMonth(manifest.report, layouts)
    raise TargetBusy(
        f"the lake's month was replaced {_LOOKS} times while it was read. Run again when no other run loads it."
    )


def _by_layout(manifest: Manifest) -> list[tuple[Layout, list[ManifestObject]]]:
    layouts = dict.fromkeys(item.layout for item in manifest.objects)
    return [(layout, manifest.of_layout(layout)) for layout in layouts]


def _sum_layout(lake: Lake, dataset: Dataset, layout: Layout, items: Sequence[ManifestObject]) -> LayoutTotals:
    schema = schema_of(dataset)
    with ThreadPoolExecutor(_AT_ONCE, "totals") as pool:
        found = list(pool.map(lambda item: _sum_object(lake, schema, item), items))
    damage = tuple(part for part in found if isinstance(part, str))
    totals = None if damage else join_totals(schema, (part for part in found if isinstance(part, Totals)))
    return LayoutTotals(layout, totals, damage)


def _sum_object(lake: Lake, schema: Schema, item: ManifestObject) -> Totals | str:
    """The object's control sums, or what is wrong with it."""
    where, found = lake.url_of(item.name), lake.find(item.name)
    if found is None:
        return f"{where} is not there, though the manifest names it"
    if (found.bytes, found.crc32c) != (item.bytes, item.crc32c):
        return (
            f"{where} is not the object that the manifest names: {found.bytes:,} bytes with CRC32C {found.crc32c}, "
            f"not {item.bytes:,} with {item.crc32c}"
        )
    if found.generation != item.generation:
        return f"{where} was written anew since: generation {found.generation}, not {item.generation}"
    try:
        with LakeFile(lake, found) as file:
            return sum_trips(schema, _batches(file, TotalsColumns.of(schema).names))
    except ObjectChanged:
        return f"{where} was replaced while it was read"
    except (pa.ArrowException, OSError) as error:  # the second is Arrow's error for a footer that it cannot parse
        return f"{where} cannot be read as the month's Parquet file: {str(error).splitlines()[0]}"


def _batches(file: LakeFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    # pre_buffer fetches the columns of a row group in one or few ranges, instead of one request a column.
    with pq.ParquetFile(file, pre_buffer=True) as parquet:
        if missing := set(columns) - set(parquet.schema_arrow.names):
            raise pa.ArrowInvalid(f"it has no column {', '.join(sorted(missing))}")
        for index in range(parquet.num_row_groups):
            yield from parquet.read_row_group(index, columns=columns).to_batches()
