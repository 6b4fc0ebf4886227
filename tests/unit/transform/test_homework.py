"""The homework's rows are of several months, whose files need not have the same columns."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deployments.tlc_site.synthetic.months import make_month
from flows.extract.read.trip_file import open_trip_file
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.homework import HomeworkStream
from flows.transform.stream import TripStream

FEE = "congestion_surcharge"


def rows_of(folder: Path, months: dict[Month, pa.Table]) -> list[dict]:
    """The homework's rows of files with these tables."""
    with ExitStack() as opened:
        streams = []
        for month, table in months.items():
            path = folder / f"{month}.parquet"
            pq.write_table(table, path)
            file = opened.enter_context(open_trip_file(path))
            conformer = plan_conform(schema_of(Dataset.green), month, file.column_names)
            streams.append(TripStream(file, conformer, lambda _batch: None))
        trips = HomeworkStream(streams)
        return pa.Table.from_batches(list(trips), trips.schema).to_pylist()


@pytest.mark.parametrize("lacks", [0, 1], ids=["the first month", "a later month"])
def test_column_that_one_month_lacks_keeps_the_others_values(tmp_path: Path, lacks: int) -> None:
    months = [Month(2020, 11), Month(2020, 12)]
    tables = {month: make_month(Dataset.green, month, 200, anomalies=False) for month in months}
    (name,) = [name for name in tables[months[0]].column_names if name.lower() == FEE]
    tables[months[lacks]] = tables[months[lacks]].drop_columns([name])
    rows = rows_of(tmp_path, tables)
    filled = {row["lpep_pickup_date"].month for row in rows if row[FEE] is not None}
    assert filled == {months[1 - lacks].number}
    assert {row["lpep_pickup_date"].month for row in rows} == {11, 12}


def test_column_that_no_month_has_is_left_out(tmp_path: Path) -> None:
    month = Month(2020, 12)
    table = make_month(Dataset.green, month, 200, anomalies=False)
    table = table.drop_columns([name for name in table.column_names if name.lower() == FEE])
    assert FEE not in rows_of(tmp_path, {month: table})[0]
