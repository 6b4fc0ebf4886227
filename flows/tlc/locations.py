"""Where things are: URLs below a source's base, tables, object names. Pure string work, written once."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, get_args

from flows.tlc.dataset import Dataset, Source
from flows.tlc.month import MONTH_PATTERN, Month

SCHEMA = "tlc"
# The models' schemas are the trips' with these endings: dbt's own way of naming them.
MARTS = "marts"
# What the months of the marts were built from; written by flows/analytics/macros/record_builds.sql.
MODEL_BUILDS = "model_builds"
# How a month lies in the lake: as one object, or as one for each pickup date.
Layout = Literal["unpartitioned", "partitioned"]
LAYOUTS: frozenset[Layout] = frozenset(get_args(Layout))
_FILE_NAME = re.compile(rf"(?<![a-z])(?P<dataset>{'|'.join(Dataset)})_tripdata_(?P<month>{MONTH_PATTERN.strip('^$')})")
ZONES_PATH = "/misc/taxi_zone_lookup.csv"
# The tables of names in the lake, and the manifest that says which versions of them are there.
CODES_FOLDER = "codes/"
CODES_MANIFEST = "manifests/codes.json"


def month_file_name(dataset: Dataset, month: Month, source: Source) -> str:
    """``green_tripdata_2020-12.parquet``, as the source names the file."""
    ending = "csv.gz" if source is Source.mirror else "parquet"
    return f"{dataset}_tripdata_{month}.{ending}"


def month_of_file(name: str) -> tuple[Dataset, Month] | None:
    """The dataset and month that a file's name speaks of, as the sources name files; None if it does not."""
    found = _FILE_NAME.search(name)
    return (Dataset(found["dataset"]), Month.parse(found["month"])) if found else None


def month_path(dataset: Dataset, month: Month, source: Source) -> str:
    """The month's path below the source's base URL."""
    folder = str(dataset) if source is Source.mirror else "trip-data"
    return f"/{folder}/{month_file_name(dataset, month, source)}"


def probe_path(dataset: Dataset, source: Source) -> str:
    """The path of a file that surely exists at the source, to tell 'not published' from 'blocked'."""
    return month_path(dataset, Month(2020, 12), source) if source is Source.mirror else ZONES_PATH


def trips_table(dataset: Dataset) -> str:
    """``green_trips``: the table of a dataset, in Postgres' and the warehouse's schema ``tlc``."""
    return f"{dataset}_trips"


def partition_table(dataset: Dataset, month: Month) -> str:
    """``green_trips_2020_12``: the Postgres partition that holds one month's file."""
    return f"{trips_table(dataset)}_{month.year:04d}_{month.number:02d}"


def lake_object(dataset: Dataset, month: Month) -> str:
    """The lake's one object of a month in the layout ``unpartitioned``."""
    return f"trips/{dataset}/unpartitioned/{dataset}_tripdata_{month}.parquet"


def lake_day_object(dataset: Dataset, month: Month, day: date) -> str:
    """The lake's object of one pickup date in a month's file, in the layout ``partitioned``."""
    return f"trips/{dataset}/partitioned/pickup_date={day.isoformat()}/{dataset}_tripdata_{month}.parquet"


def rejected_object(dataset: Dataset, month: Month) -> str:
    """The lake's object of a month's rejected rows."""
    return f"rejected/{dataset}/{dataset}_tripdata_{month}.parquet"


def manifest_object(dataset: Dataset, month: Month) -> str:
    """The lake's manifest of a month."""
    return f"{manifest_folder(dataset)}{month}.json"


def manifest_folder(dataset: Dataset) -> str:
    """What the names of a dataset's manifests begin with."""
    return f"manifests/{dataset}/"


def month_of_manifest(name: str) -> Month | None:
    """The month that a manifest is of, by its name; None if it is no manifest's."""
    try:
        return Month.parse(name.rpartition("/")[2].removesuffix(".json"))
    except ValueError:
        return None


def codes_object(table: str) -> str:
    """The lake's object of a table of names: the zones, or the codes of a column."""
    return f"{CODES_FOLDER}{table}.parquet"
