"""The lake's months seen from the warehouse without loading them: what both backends call it and where it is."""

from __future__ import annotations

from flows.tlc.dataset import Dataset
from flows.tlc.locations import trips_table

DAY_KEY = "pickup_date"


def lake_table(dataset: Dataset) -> str:
    """``green_trips_lake``: the table that reads the lake."""
    return f"{trips_table(dataset)}_lake"


def days_url(lake_url: str, dataset: Dataset) -> str:
    """The folder of the day folders of a dataset, without a slash at the end."""
    return f"{lake_url.rstrip('/')}/trips/{dataset}/partitioned"


def no_days(lake_url: str, dataset: Dataset) -> str:
    """The sentence for a lake without day folders."""
    return (
        f"the lake has no {dataset} trips by day that can be read below {days_url(lake_url, dataset)}. Write some "
        "months with api_to_gcs and layout='partitioned' or 'both', and run again."
    )
