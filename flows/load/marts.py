"""Reading the marts: what the queries of one report are asked through, whatever the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.tlc.errors import ModelsMissing
from flows.tlc.locations import MARTS, SCHEMA

# What Postgres and DuckDB call the same: the marts' schema, and the day of the week, of which Monday is 1.
SQL_NAMES = {"marts": f"{SCHEMA}_{MARTS}", "weekday": "extract(isodow from pickup_hour)"}


@dataclass(frozen=True)
class MartsReader:
    """An open connection to the marts.

    ``place`` says where they are, for people. ``sql_names``: what a query's ``$marts`` and ``$weekday`` stand for in
    this engine. ``rows`` answers a query with a dictionary a row, in its order; raises ModelsMissing if one of its
    tables is not there.
    """

    place: str
    sql_names: Mapping[str, str]
    rows: Callable[[str], list[dict[str, Any]]]


def models_missing(place: str, why: str) -> ModelsMissing:
    """The error of a mart that is not there, or has not the columns that it has today."""
    return ModelsMissing(f"{place} does not have all models ({why.rstrip('.')}): run build_models for it first.")
