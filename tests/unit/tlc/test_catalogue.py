"""What TLC had published: the project's copy of the sizes, against the list it was made from."""

from __future__ import annotations

import csv
from pathlib import Path

from flows.tlc.catalogue import catalogue_month, expected_size
from flows.tlc.dataset import Dataset, dataset_info
from flows.tlc.month import Month, months_between


def test_every_file_of_the_list_is_there_with_its_size(tlc: Path) -> None:
    with (tlc / "catalogue.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    sizes = [expected_size(Dataset(row["dataset"]), Month.parse(row["month"])) for row in rows]

    assert sizes == [(int(row["rows"]), int(row["bytes"])) for row in rows]
    assert len(sizes) == 487
    assert sum(size.rows for size in sizes if size) == 3_693_957_005


def test_it_has_each_month_from_the_first_to_its_last_and_none_beside() -> None:
    assert catalogue_month() == Month(2024, 5)
    for dataset in Dataset:
        first = dataset_info(dataset).first_month
        assert expected_size(dataset, first.plus(-1)) is None
        assert all(expected_size(dataset, month) for month in months_between(first, catalogue_month()))
        assert expected_size(dataset, catalogue_month().plus(1)) is None


def test_the_real_files_have_the_size_that_it_says(tlc: Path) -> None:
    size = expected_size(Dataset.green, Month(2020, 12))
    assert size is not None
    assert size.rows == 83_130
    assert size.bytes == (tlc / "cdn/trip-data/green_tripdata_2020-12.parquet").stat().st_size
