"""A file that lacks a column of its month is refused; every file that was ever published lacks none."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.file_formats import csv_columns, raw_schema
from deployments.tlc_site.synthetic.months import published
from flows.tlc.dataset import Dataset, Source, dataset_info
from flows.tlc.errors import MissingColumn, UnknownColumn
from flows.tlc.identity import MonthRequest
from flows.tlc.locations import month_of_file
from flows.tlc.month import Month, months_between
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_file


@dataclass
class Header:
    """A file of which only the columns are known, and whether it is Parquet."""

    column_names: list[str]
    rows: int | None = None

    def batches(self):
        raise AssertionError("only the header is asked for")

    def take_ragged(self):
        return []

    def fraction_read(self) -> float:
        return 0.0


def plan(dataset: Dataset, month: Month, names: list[str], *, parquet: bool, new_columns="fail"):
    return plan_file(Header(names, 1 if parquet else None), MonthRequest(dataset, month, new_columns=new_columns))


def catalogue(tlc: Path) -> list[tuple[Dataset, Month, list[str]]]:
    with (tlc / "catalogue.csv").open(newline="") as lines:
        return [
            (Dataset(row["dataset"]), Month.parse(row["month"]), row["columns"].split())
            for row in csv.DictReader(lines)
        ]


def test_every_file_of_the_catalogue_is_complete(tlc: Path) -> None:
    files = catalogue(tlc)
    assert len(files) == 487
    for dataset, month, names in files:
        plan(dataset, month, names, parquet=True)


def test_every_column_of_every_file_of_the_catalogue_is_missed(tlc: Path) -> None:
    """But for an index that is ignored, and what the files of 2011 to 2018 have without a value."""
    unmissed = set()
    years = [file for file in catalogue(tlc) if file[1].number in (2, 12)]
    for dataset, month, names in years:
        for name in names:
            rest = [other for other in names if other != name]
            try:
                plan(dataset, month, rest, parquet=True, new_columns="keep")
            except MissingColumn:
                continue
            unmissed.add((name, month >= Month(2019, 1)))
    assert unmissed == {("__index_level_0__", False), ("congestion_surcharge", False)}


def test_every_real_file_is_complete(tlc: Path) -> None:
    for folder in ("heads", "samples", "mirror"):
        for path in sorted((tlc / folder).rglob("*.csv*")):
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rt", newline="") as lines:
                names = [name.strip() for name in next(csv.reader(lines))]
            found = month_of_file(path.name)
            assert found is not None
            plan(*found, names, parquet=False)
    for path in sorted(tlc.rglob("*.parquet")):
        found = month_of_file(path.name)
        assert found is not None
        plan(*found, pq.read_schema(path).names, parquet=True)


@pytest.mark.parametrize("dataset", list(Dataset))
@pytest.mark.parametrize("source", list(Source))
def test_every_made_up_month_is_complete(dataset: Dataset, source: Source) -> None:
    first, last = dataset_info(dataset).span(source)
    for month in months_between(first, last or Month(2026, 9)):
        if published(dataset, month, source=source):
            is_tlc = source is Source.tlc
            names = raw_schema(dataset, month).names if is_tlc else list(csv_columns(dataset, month))
            plan(dataset, month, names, parquet=is_tlc)


def green() -> list[str]:
    return raw_schema(Dataset.green, Month(2023, 12)).names


@pytest.mark.parametrize("parquet", [True, False])
def test_a_renamed_column_is_missed_though_the_new_one_would_be_kept(parquet: bool) -> None:
    names = ["total_amt" if name == "total_amount" else name for name in green()]
    with pytest.raises(
        MissingColumn, match=r"no total_amount, .*2023-12 have .it has total_amt instead.*until = \"2023-11\""
    ):
        plan(Dataset.green, Month(2023, 12), names, parquet=parquet, new_columns="keep")
    with pytest.raises(UnknownColumn, match=r"'total_amt' is not in .*source_names"):
        plan(Dataset.green, Month(2023, 12), names, parquet=parquet)


def test_months_after_the_catalogue_have_the_columns_that_it_knows() -> None:
    month = Month(2031, 1)
    plan(Dataset.green, month, green(), parquet=True)
    with pytest.raises(MissingColumn, match="no tip_amount"):
        plan(Dataset.green, month, [name for name in green() if name != "tip_amount"], parquet=True)


@pytest.mark.parametrize(("given", "under"), [("fhv", "fhvhv"), ("fhvhv", "fhv"), ("yellow", "green")])
@pytest.mark.parametrize("source", list(Source))
@pytest.mark.parametrize("new_columns", ["fail", "keep"])
def test_a_file_of_another_dataset_is_refused_and_told(given: str, under: str, source: Source, new_columns) -> None:
    month, is_tlc = Month(2020, 4), source is Source.tlc
    names = raw_schema(Dataset(given), month).names if is_tlc else list(csv_columns(Dataset(given), month))
    with pytest.raises((MissingColumn, UnknownColumn), match=f"These are the columns of a {given} file"):
        plan(Dataset(under), month, names, parquet=is_tlc, new_columns=new_columns)


def test_parquet_in_the_columns_of_the_mirrors_one_month_is_no_fhvhv_file() -> None:
    month = Month(2021, 6)
    plan(Dataset.fhvhv, month, list(csv_columns(Dataset.fhvhv, month)), parquet=False)
    with pytest.raises(MissingColumn, match="no hvfhs_license_num"):
        plan(Dataset.fhvhv, month, raw_schema(Dataset.fhv, month).names, parquet=True)


def test_the_schema_says_what_a_kind_of_files_may_lack() -> None:
    yellow = schema_of(Dataset.yellow)
    present = [column.name for column in yellow.trip_columns if column.name != "airport_fee"]
    assert [column.name for column in yellow.missing(Month(2020, 1), present, "parquet")] == ["airport_fee"]
    assert yellow.missing(Month(2020, 1), present, "csv") == yellow.missing(Month(2020, 1), present) == []


def test_a_new_name_of_a_column_that_came_after_the_catalogue_is_asked_for() -> None:
    names = [field.name for field in raw_schema(Dataset.yellow, Month(2025, 3))]
    renamed = ["cbd_fee" if name == "cbd_congestion_fee" else name for name in names]
    assert renamed != names
    with pytest.raises(MissingColumn, match="no cbd_congestion_fee"):
        plan(Dataset.yellow, Month(2025, 3), renamed, parquet=True, new_columns="keep")
