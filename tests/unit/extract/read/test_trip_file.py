"""Trip files of every kind, read in batches: real ones, damaged ones, and what only pretends to be one."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.extract.read import trip_file
from flows.extract.read.trip_file import open_trip_file
from flows.tlc.dataset import Dataset
from flows.tlc.errors import NotTripFile, TooManyBadRows, UnknownColumn
from flows.tlc.month import Month
from flows.tlc.schema import schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import Counts, TripStream

HEADER = b"VendorID,lpep_pickup_datetime,store_and_fwd_flag,trip_distance\n"
LINE = b"1,2020-12-05 10:00:00,N,1.5\n"


def counts_of(path: Path, *, share: float = 0.01) -> Counts:
    """The counts of a file that is named for its dataset and month."""
    dataset, _, rest = path.name.partition("_")
    month = Month.parse(rest.removeprefix("tripdata_").removeprefix("sample_")[:7])
    with open_trip_file(path) as file:
        conformer = plan_conform(schema_of(Dataset(dataset)), month, file.column_names)
        stream = TripStream(file, conformer, lambda _batch: None, max_unloadable_share=share)
        loaded = sum(batch.num_rows for batch in stream)
    assert loaded == stream.counts.rows_loaded
    assert stream.counts.rows_read == loaded + stream.counts.rows_rejected
    return stream.counts


def rows_of(path: Path) -> list[dict[str, object]]:
    with open_trip_file(path) as file:
        return [row for batch in file.batches() for row in batch.to_pylist()]


def write(folder: Path, content: bytes, name: str = "green_tripdata_2020-12.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


GREEN_2020_12 = {
    "pickup_outside_month": 3,
    "negative_total": 182,
    "zero_distance": 2_215,
    "no_passengers": 210,
    "distance_over_500_miles": 35,
    "dropoff_before_pickup": 1,
}


@pytest.mark.parametrize(
    ("name", "rows", "flagged", "by_rule"),
    [
        ("cdn/trip-data/green_tripdata_2020-12.parquet", 83_130, 2_547, GREEN_2020_12),
        ("mirror/green/green_tripdata_2020-12.csv.gz", 83_130, 2_547, GREEN_2020_12),
        ("mirror/green/green_tripdata_2020-11.csv.gz", 88_605, 3_330, {"dropoff_before_pickup": 1}),
        ("mirror/green/green_tripdata_2020-10.csv.gz", 95_120, 4_070, {"distance_over_500_miles": 31}),
        ("cdn/trip-data/green_tripdata_2023-12.parquet", 64_215, 3_850, {"zero_distance": 3_274}),
        ("samples/fhv_tripdata_2020-04_1000rows.csv", 1_000, 0, {}),
        ("samples/fhvhv_tripdata_2020-04_1000rows.csv", 1_000, 1, {"negative_total": 1}),
        ("samples/green_tripdata_2020-04_1000rows.csv", 1_000, 58, {"pickup_outside_month": 1, "no_passengers": 5}),
        ("samples/yellow_tripdata_2020-04_1000rows.csv", 1_000, 62, {"no_passengers": 35}),
        ("samples/yellow_tripdata_2025-01_10000rows.parquet", 10_000, 133, {"pickup_outside_month": 18}),
        ("heads/yellow_tripdata_2009-01.csv", 98, 1, {"zero_distance": 1}),
        ("heads/yellow_tripdata_2014-01.csv", 98, 2, {"zero_distance": 2}),
    ],
)
def test_real_files_are_loaded_to_the_last_row(tlc: Path, name, rows, flagged, by_rule) -> None:
    counts = counts_of(tlc / name)
    assert (counts.rows_read, counts.rows_loaded, counts.rows_flagged) == (rows, rows, flagged)
    assert by_rule.items() <= counts.flagged.items()


@pytest.mark.parametrize(
    ("name", "bad", "rows"),
    [
        ("green_tripdata_2014-01.csv", 97, 97),
        ("green_tripdata_2015-01.csv", 99, 99),
        ("green_tripdata_2016-08.csv", 98, 98),
        ("yellow_tripdata_2016-08.csv", 99, 99),
        ("fhv_tripdata_2015-01.csv", 1, 34),  # the head was cut in the middle of a line
        ("fhv_tripdata_2018-01.csv", 1, 13),
    ],
)
def test_rows_wider_than_the_header_are_refused_never_shifted(tlc: Path, name, bad, rows) -> None:
    with pytest.raises(TooManyBadRows, match=rf"^{bad} of {rows} rows cannot be loaded \({bad} ragged_line\)"):
        counts_of(tlc / "heads" / name)
    assert counts_of(tlc / "heads" / name, share=1).rows_loaded == rows - bad


def test_heads_of_2009_have_codes_for_words(tlc: Path) -> None:
    with open_trip_file(tlc / "heads/yellow_tripdata_2009-01.csv") as file:
        conformer = plan_conform(schema_of(Dataset.yellow), Month(2009, 1), file.column_names)
        trips = [row for batch in TripStream(file, conformer, print) for row in batch.to_pylist()]
    assert (trips[0]["vendor_id"], trips[0]["payment_type"], trips[1]["payment_type"]) == (2, 2, 1)
    assert str(trips[0]["tpep_pickup_datetime"]) == "2009-01-04 02:52:00"
    assert trips[0]["start_lon" if "start_lon" in trips[0] else "pickup_longitude"] == pytest.approx(-73.991957)


@pytest.mark.parametrize(
    "name",
    [
        "html_page_named_green_tripdata_2020-01.csv.gz",
        "git_lfs_pointer_fhv_tripdata_2019-01.csv.gz",
        "merge_conflict_yellow_tripdata_2020-01.csv",
    ],
)
def test_real_failed_downloads_are_no_trip_files(tlc: Path, name) -> None:
    with open_trip_file(tlc / "bad" / name) as file, pytest.raises(NotTripFile, match="no column of a green file"):
        plan_conform(schema_of(Dataset.green), Month(2020, 1), file.column_names)


def test_renamed_samples_say_which_columns_are_unknown(tlc: Path) -> None:
    for path in sorted((tlc / "yellow_samples").glob("*.csv")):
        with open_trip_file(path) as file, pytest.raises(UnknownColumn, match="'rate_code_id', 'pickup_location_id'"):
            plan_conform(schema_of(Dataset.yellow), Month(2019, 1), file.column_names)
        assert len(rows_of(path)) == 10_000


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r", b"\r\r\n", b"\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2, b"\n", b"\xef\xbb\xbf \r\n\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_csv_forms_give_the_same_rows(tmp_path, ending, mark, packed) -> None:
    content = mark + (HEADER + LINE * 3).replace(b"\n", ending)
    path = write(tmp_path, gzip.compress(content) if packed else content)
    with open_trip_file(path) as file:
        assert file.column_names[0] == "VendorID"
    assert rows_of(path) == rows_of(write(tmp_path, HEADER + LINE * 3, "plain.csv"))


def test_gzip_members_are_read_one_after_the_other(tmp_path) -> None:
    path = write(tmp_path, gzip.compress(HEADER + LINE * 3) + gzip.compress(LINE * 2))
    assert len(rows_of(path)) == 5


def test_empty_fields_are_missing_and_words_stay_words(tmp_path) -> None:
    path = write(tmp_path, HEADER + b'"",2020-12-05,NA,\nnull,"a,b","say ""x""",N/A\n')
    assert [list(row.values()) for row in rows_of(path)] == [
        [None, b"2020-12-05", b"NA", None],
        [b"null", b"a,b", b'say "x"', b"N/A"],
    ]


def test_header_without_rows_is_a_file_without_rows(tmp_path) -> None:
    assert counts_of(write(tmp_path, HEADER)).rows_read == 0
    empty = pa.table({"lpep_pickup_datetime": pa.array([], pa.timestamp("us"))})
    pq.write_table(empty, tmp_path / "green_tripdata_2020-12.parquet")
    assert counts_of(tmp_path / "green_tripdata_2020-12.parquet").rows_read == 0


def test_ragged_lines_are_counted_with_their_text(tmp_path) -> None:
    path = write(tmp_path, HEADER + LINE + b"1,2\n" + LINE + b"1,2,3,4,5\n")
    with open_trip_file(path) as file:
        assert sum(batch.num_rows for batch in file.batches()) == 2
        ragged = file.take_ragged()
        assert [(line.fields, line.expected, line.text) for line in ragged] == [(2, 4, "1,2"), (5, 4, "1,2,3,4,5")]
        assert file.take_ragged() == []


def test_line_that_breaks_off_at_the_end_is_rejected(tmp_path) -> None:
    counts = counts_of(write(tmp_path, HEADER + LINE * 200 + b"1,2020-12-0"))
    assert (counts.rows_loaded, counts.rejected) == (200, {"ragged_line": 1})


def test_bytes_that_are_no_text_reject_their_row_only(tmp_path) -> None:
    header = HEADER.replace(b"lpep", b"tpep")
    path = write(tmp_path, header + LINE * 300 + LINE.replace(b"N", b"\xff"), "yellow_tripdata_2020-12.csv")
    counts = counts_of(path)
    assert (counts.rows_loaded, counts.rejected) == (300, {"unfit_value": 1})


@pytest.mark.parametrize("packed", [False, True])
def test_ragged_lines_that_are_no_text_reject_their_row_only(tmp_path, packed) -> None:
    """Arrow alone would take the whole file for broken. What has all of its fields keeps its bytes."""
    bad = b"1,caf\xe9\n" + LINE.replace(b"N", b"\xff") + b'\xe9,"a,b",3,4,5\r\n' + "1,café\n".encode()
    content = HEADER + LINE * 100_000 + bad + LINE * 100_000 + b"\xe9,"
    with open_trip_file(write(tmp_path, gzip.compress(content, 1) if packed else content)) as file:
        rows = sum(batch.num_rows for batch in file.batches())
        ragged = [(line.row_number, line.fields, line.text) for line in file.take_ragged()]
    assert rows == 200_001
    assert ragged == [
        (100_002, 2, r"1,caf\xe9"),
        (100_004, 5, r'\xe9,"a,b",3,4,5'),
        (100_005, 2, "1,café"),
        (200_006, 2, r"\xe9,"),
    ]
    counts = counts_of(write(tmp_path, content))
    assert (counts.rows_loaded, counts.rejected) == (200_000, {"ragged_line": 4, "unfit_value": 1})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"\xff\xfe" * 50,
        b"PAR1 and then nothing",
        b"\x1f\x8b and then nothing",
        gzip.compress(HEADER + LINE * 5_000)[:-9],
        gzip.compress(HEADER + LINE * 5_000)[:60] + b"\x00" * 60,
        HEADER + LINE + b"1" * (4 << 20),
        b"VendorID," * (16 << 10),
    ],
    ids=["empty", "zeros", "utf-16", "no parquet", "no gzip", "cut", "overwritten", "long line", "long header"],
)
def test_what_cannot_be_read_to_its_end_is_no_trip_file(tmp_path, content) -> None:
    with pytest.raises(NotTripFile):
        counts_of(write(tmp_path, content))


def test_parquet_with_a_damaged_page_says_to_get_it_anew(tmp_path) -> None:
    table = pa.table({"lpep_pickup_datetime": pa.array(range(50_000), pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "whole.parquet", compression="snappy")
    content = bytearray((tmp_path / "whole.parquet").read_bytes())
    content[200:3_000] = b"\xff" * 2_800
    path = write(tmp_path, bytes(content), "green_tripdata_2020-12.parquet")
    with pytest.raises(NotTripFile, match=r"green_tripdata_2020-12.parquet cannot be read to its end .* Run again"):
        counts_of(path)


def test_parquet_page_whose_checksum_is_wrong_is_no_trip_file(tmp_path) -> None:
    table = pa.table({"lpep_pickup_datetime": pa.array(range(50_000), pa.timestamp("us"))})
    pq.write_table(
        table, tmp_path / "whole.parquet", compression="none", use_dictionary=False, write_page_checksum=True
    )
    content = bytearray((tmp_path / "whole.parquet").read_bytes())
    content[100_000] ^= 1
    path = write(tmp_path, bytes(content), "green_tripdata_2020-12.parquet")
    with pytest.raises(NotTripFile, match=r"cannot be read to its end .*CRC"):
        rows_of(path)


def test_int96_times_keep_years_that_nanoseconds_do_not_reach(tmp_path) -> None:
    times = [datetime(3019, 1, 2, 3, 4, 5), datetime(1001, 1, 1), datetime(2020, 12, 5, 10, 0, 0, 123456)]
    column = pa.array(times, pa.timestamp("us"))
    path = tmp_path / "green_tripdata_2020-12.parquet"
    pq.write_table(pa.table({"lpep_pickup_datetime": column}), path, use_deprecated_int96_timestamps=True)
    assert [row["lpep_pickup_datetime"] for row in rows_of(path)] == times


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_other_times_keep_their_unit(tmp_path, unit) -> None:
    table = pa.table({"lpep_pickup_datetime": pa.array([1_606_000_000_123], pa.int64()).cast(pa.timestamp(unit))})
    pq.write_table(table, tmp_path / "times.parquet")
    with open_trip_file(tmp_path / "times.parquet") as file:
        assert [batch.to_pydict() for batch in file.batches()] == [table.to_pydict()]
        assert next(iter(pq.ParquetFile(tmp_path / "times.parquet").iter_batches())).schema.field(0).type.unit == unit


def test_missing_file_is_the_disks_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError), open_trip_file(tmp_path / "gone.parquet"):
        pass


@pytest.mark.parametrize(
    "name", ["mirror/green/green_tripdata_2020-12.csv.gz", "cdn/trip-data/green_tripdata_2020-12.parquet"]
)
def test_batches_are_small_and_the_fraction_grows_to_one(tlc: Path, name) -> None:
    with open_trip_file(tlc / name) as file:
        fractions = [0.0]
        for batch in file.batches():
            assert 0 < batch.num_rows <= trip_file.BATCH_ROWS
            fractions.append(file.fraction_read())
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0, abs=0.01)
    assert len(fractions) > 5


def test_a_wrong_byte_in_the_footer_loses_no_row_in_silence(tmp_path: Path) -> None:
    """Page checksums do not cover the footer: each file is whole, or refused as one that is not."""
    sound = tmp_path / "sound.parquet"
    table = pa.table({"VendorID": list(range(1_000)), "store_and_fwd_flag": ["N"] * 1_000})
    pq.write_table(table, sound, row_group_size=500)
    content = sound.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little")
    outcomes = Counter()
    for place in range(len(content) - 8 - footer, len(content) - 8):
        damaged = tmp_path / "damaged.parquet"
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0x91]) + content[place + 1 :])
        try:
            with open_trip_file(damaged) as trips:
                assert sum(batch.num_rows for batch in trips.batches()) == trips.rows
            outcomes["whole"] += 1
        except NotTripFile:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 0
