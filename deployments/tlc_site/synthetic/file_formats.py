"""What the source's files looked like in a given month: column names, order, types, and anything else dated."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import pyarrow as pa

from flows.tlc.dataset import Dataset
from flows.tlc.month import Month

Value = TypeVar("Value")

ARROW_TYPES: dict[str, pa.DataType] = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "large_string": pa.large_string(),
    "timestamp": pa.timestamp("us"),
    "null": pa.null(),
}

# Names that a column has in some files only; all others differ in case alone.
_FIELDS = {
    "vendor_name": "vendorid",
    "vendor_id": "vendorid",
    "trip_pickup_datetime": "pickup_datetime",
    "trip_dropoff_datetime": "dropoff_datetime",
    "tpep_pickup_datetime": "pickup_datetime",
    "tpep_dropoff_datetime": "dropoff_datetime",
    "lpep_pickup_datetime": "pickup_datetime",
    "lpep_dropoff_datetime": "dropoff_datetime",
    "start_lon": "pickup_longitude",
    "start_lat": "pickup_latitude",
    "end_lon": "dropoff_longitude",
    "end_lat": "dropoff_latitude",
    "rate_code": "ratecodeid",
    "store_and_forward": "store_and_fwd_flag",
    "fare_amt": "fare_amount",
    "surcharge": "extra",
    "tip_amt": "tip_amount",
    "tolls_amt": "tolls_amount",
    "total_amt": "total_amount",
}


def as_of(history: Mapping[str, Value], month: Month) -> Value:
    """The value valid in ``month``, of values by first month (``YYYY-MM``, in order); KeyError before the first."""
    found = [value for since, value in history.items() if since <= str(month)]
    if not found:
        raise KeyError(f"nothing is known of {month}: the first entry is {next(iter(history))}")
    return found[-1]


def field_of(column: str) -> str:
    """The one name that the generator has for a source's column, whatever the file calls it."""
    return _FIELDS.get(column.lower(), column.lower())


def raw_schema(dataset: Dataset, month: Month) -> pa.Schema:
    """The columns of TLC's Parquet file: names, order and types of that month."""
    columns = _layout("parquet", dataset, month)
    return pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in columns.items()])


def csv_columns(dataset: Dataset, month: Month) -> dict[str, str]:
    """The columns of the mirror's CSV file in order, each with the way in which its values are written."""
    return _layout("csv", dataset, month)


def _layout(file_format: str, dataset: Dataset, month: Month) -> dict[str, str]:
    layout = next(each for each in _file_formats()[file_format][dataset] if str(month) <= each.get("until", "9999"))
    columns = layout["columns"].items()
    kinds = {name: as_of(kind, month) if isinstance(kind, dict) else str(kind) for name, kind in columns}
    return {name: kind for name, kind in kinds.items() if kind != "none"}


@cache
def _file_formats() -> dict[str, Any]:
    return tomllib.loads(
        files("deployments.tlc_site.synthetic").joinpath("file_formats.toml").read_text(encoding="utf-8")
    )
