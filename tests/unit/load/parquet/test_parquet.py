"""The writers of Parquet: rows by day, in any order, within bounds; and several writers at once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.load.crc32c import crc32c_of, crc32c_of_file
from flows.load.lake.clear import home_name
from flows.load.parquet.daily_files import DailyFiles
from flows.load.parquet.fan_out import write_all
from flows.load.parquet.file import RowGroups, described

SCHEMA = pa.schema([pa.field("at", pa.timestamp("us"), nullable=False), pa.field("row", pa.int64())])


def batch_of(moments: list[datetime], first: int = 0) -> pa.RecordBatch:
    rows = pa.array(range(first, first + len(moments)), pa.int64())
    return pa.record_batch([pa.array(moments, pa.timestamp("us")), rows], schema=SCHEMA)


@pytest.mark.parametrize("bound", [1, 10_000, 1 << 30], ids=["no room", "little room", "room"])
def test_rows_in_any_order_come_to_their_days_in_their_order(tmp_path: Path, bound: int) -> None:
    rng = np.random.default_rng(1)
    days = DailyFiles(tmp_path, SCHEMA, "at", str, buffered_bytes=bound)
    moments = [datetime(2020, 12, 1) + timedelta(seconds=int(s)) for s in rng.integers(0, 5 * 86_400, 5_000)]
    moments[7], moments[8] = datetime(2009, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999_999)
    for start in range(0, 5_000, 500):
        days.add(batch_of(moments[start : start + 500], start))
        days._split()
    files = days.finish()
    assert [file.name for file in files][:3] == ["1969-12-31", "2009-01-01", "2020-12-01"]
    assert sum(file.rows for file in files) == 5_000
    for file in files:
        table = pq.read_table(file.path)
        expected = [row for row, moment in enumerate(moments) if moment.date() == date.fromisoformat(file.name)]
        assert table["row"].to_pylist() == expected
        assert (file.bytes, file.crc32c) == (file.path.stat().st_size, crc32c_of(file.path.read_bytes()))


def test_a_row_group_is_written_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.parquet.file.ROW_GROUP_ROWS", 10)
    groups = RowGroups(tmp_path / "a", SCHEMA)
    for _ in range(7):
        groups.add(batch_of([datetime(2020, 1, 1)] * 4))
    assert groups.finish("a").rows == 28
    metadata = pq.read_metadata(tmp_path / "a")
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [8, 8, 8, 4]


def test_times_are_written_plain_and_all_else_by_dictionary(tmp_path: Path) -> None:
    groups = RowGroups(tmp_path / "a", SCHEMA)
    groups.add(batch_of([datetime(2020, 1, 1)] * 4))
    groups.finish("a")
    columns = [pq.read_metadata(tmp_path / "a").row_group(0).column(place) for place in range(2)]
    assert [(column.path_in_schema, column.has_dictionary_page) for column in columns] == [("at", False), ("row", True)]
    assert {column.compression for column in columns} == {"ZSTD"}


def test_a_batch_of_one_day_is_kept_as_it_is(tmp_path: Path) -> None:
    days, batch = DailyFiles(tmp_path, SCHEMA, "at", str), batch_of([datetime(2020, 12, 1)] * 5_000)
    days.add(batch)
    (groups,) = days._days.values()
    assert groups._batches[0].column(0).buffers()[1].address == batch.column(0).buffers()[1].address


def test_what_a_column_means_is_readable_without_arrow(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("d", pa.float64(), metadata={"description": "How far.", "unit": "miles"})])
    metadata = described(schema, {"month": "2020-12", "source_etag": None}).metadata
    assert metadata[b"columns"] == b'{"d": {"description": "How far.", "unit": "miles"}}'
    assert (metadata[b"month"], b"source_etag" in metadata) == (b"2020-12", False)


class Broken:
    """A writer that fails at its third batch."""

    def __init__(self) -> None:
        self.batches, self.abandoned = 0, False

    def add(self, _batch: pa.RecordBatch) -> None:
        self.batches += 1
        if self.batches == 3:
            raise OSError("full")

    def abandon(self) -> None:
        self.abandoned = True


def test_a_writer_that_fails_ends_all(tmp_path: Path) -> None:
    broken, whole = Broken(), RowGroups(tmp_path / "a", SCHEMA)
    with pytest.raises(OSError, match="full"):
        write_all((batch_of([datetime(2020, 1, 1)]) for _ in range(100)), [whole, broken])
    assert broken.abandoned


def test_batches_that_fail_end_all_writers() -> None:
    broken = Broken()

    def batches():
        yield batch_of([datetime(2020, 1, 1)])
        raise ValueError("bad file")

    with pytest.raises(ValueError, match="bad file"):
        write_all(batches(), [broken])
    assert broken.abandoned


def test_names_and_checksums(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123456789")
    assert crc32c_of_file(tmp_path / "a") == crc32c_of(b"123456789") == "4waSgw=="  # RFC 3720: E3069283
    assert home_name("trips/green/2020-12", ".tmp/trips/green/2020-12/a1/new/trips/x=1/y") == "trips/x=1/y"
    assert home_name("trips/green/2020-12", ".tmp/trips/green/2020-12/turn") is None
