"""The manifests of a dataset, many at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flows.load.lake.manifest import Manifest
from flows.load.lake.protocol import Lake
from flows.tlc.dataset import Dataset
from flows.tlc.locations import manifest_folder, month_of_manifest
from flows.tlc.month import Month

# Manifests read at once: some kB each, and on Cloud Storage 50 ms.
_READS = 16


def read_manifests(
    lake: Lake, dataset: Dataset, in_range: Callable[[Month], bool] = lambda _month: True
) -> dict[Month, Manifest]:
    """The manifest of each month that the lake has, and that is ``in_range``, in order: one listing, a read each."""
    months = [month_of_manifest(item.name) for item in lake.list(manifest_folder(dataset))]
    wanted = sorted(month for month in months if month is not None and in_range(month))
    with ThreadPoolExecutor(_READS, "manifests") as pool:
        manifests = pool.map(lambda month: lake.read_manifest(dataset, month), wanted)
        return {month: found for month, found in zip(wanted, manifests, strict=True) if found is not None}
