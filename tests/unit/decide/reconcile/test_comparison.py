"""What counts as a difference between the places of a month, and which place is told to be wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from flows.decide.reconcile.compare import compare_month
from flows.decide.reconcile.observed import MonthAtSource, MonthInTarget, dropped_rules, source_of
from flows.decide.reconcile.result import MonthComparison, ReconcileReport
from flows.tlc.dataset import Dataset, Source
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.totals import Totals

GREEN, MONTH = Dataset.green, Month(2020, 12)
TOTALS = Totals(83_130, 1000.0, 500.0, datetime(2020, 12, 1), datetime(2020, 12, 31))
URL = "https://source/trip-data/green_tripdata_2020-12.parquet"
LOAD = LoadReport(
    dataset="green",
    month="2020-12",
    target="postgres",
    source_url=URL,
    source_etag="v1",
    rows_read=83_130,
    rows_loaded=83_130,
)
NAMES = ("postgres", "gcs unpartitioned", "gcs partitioned", "bigquery")
AT_SOURCE = MonthAtSource(True, "v1", Totals(83_130, None, None, datetime(2020, 12, 1), datetime(2020, 12, 31)))


def place(name: str, load: LoadReport | None = LOAD, totals: Totals | None = TOTALS, **options) -> MonthInTarget:
    return MonthInTarget(name, name.split(maxsplit=1)[0], load, totals, **options)  # type: ignore[arg-type]


def compared(*places: MonthInTarget, source: MonthAtSource | None = AT_SOURCE, month: Month = MONTH) -> MonthComparison:
    """The places given, and the others as they should be."""
    given = {one.name: one for one in places}
    every = [given.get(name) or place(name) for name in NAMES]
    return compare_month(GREEN, month, every, {Source.tlc: source} if source else {})


def told(comparison: MonthComparison) -> list[tuple[str, str]]:
    return [(difference.kind, difference.place) for difference in comparison.differences]


def test_equal_places_are_equal() -> None:
    comparison = compared()
    assert (comparison.differences, comparison.notes, comparison.source_rows) == ([], [], 83_130)
    assert comparison.reference == TOTALS


def test_a_place_that_is_wrong_is_told_and_no_other() -> None:
    comparison = compared(place("postgres", totals=replace(TOTALS, rows=83_129, amounts=980.0)))
    assert told(comparison) == [("differs", "postgres")] * 2
    assert comparison.sentence == (
        "postgres has 83,129 rows, but its own ledger says 83,130; "
        "postgres has sum of totals 980.00, not 1,000.00 as gcs unpartitioned"
    )


def test_one_of_two_that_differ_is_the_one_that_its_ledger_contradicts() -> None:
    wrong = place("postgres", totals=replace(TOTALS, rows=83_129))
    comparison = compare_month(GREEN, MONTH, [wrong, place("bigquery")], {})
    assert told(comparison) == [("differs", "postgres")]
    assert comparison.reference == TOTALS


def test_the_majority_is_right_where_every_ledger_agrees() -> None:
    comparison = compared(place("postgres", totals=replace(TOTALS, distances=501.0)), source=None)
    assert told(comparison) == [("differs", "postgres")]
    assert "postgres has sum of distances 501.00, not 500.00 as gcs unpartitioned" in comparison.sentence


def test_missing_where_another_or_the_source_has_it() -> None:
    empty = place("bigquery", None, None)
    assert told(compared(empty, source=None)) == [("missing", "bigquery")]
    everywhere = [place(name, None, None) for name in NAMES]
    assert len(told(compared(*everywhere))) == 4
    assert compared(*everywhere, source=None).differences == []
    unpublished = compared(*everywhere, source=MonthAtSource(False))
    assert (unpublished.differences, unpublished.notes) == ([], ["not published"])


def test_damage_is_told_as_it_is() -> None:
    comparison = compared(place("gcs partitioned", totals=None, damage=("one.parquet is not there", "two is not")))
    assert told(comparison) == [("damaged", "gcs partitioned")] * 2
    assert comparison.sentence == "one.parquet is not there; two is not"


def test_another_version_at_the_source_explains_all_else() -> None:
    newer = MonthAtSource(True, "v2", Totals(83_200))
    comparison = compared(source=newer)
    assert {kind for kind, _ in told(comparison)} == {"republished"}
    assert [difference.target for difference in comparison.differences] == ["postgres", "gcs", "bigquery"]
    assert "(version v2, not v1, with 83,200 rows, not 83,130)" in comparison.sentence
    assert comparison.notes == ["TLC has published it again since 2024-05: 83,200 rows, 83,130 then"]


@pytest.mark.parametrize("source", [None, MonthAtSource(True, '"made-up-1a2b-3c"', Totals(83_200))])
def test_nothing_is_said_of_tlc_about_a_made_up_month(source: MonthAtSource | None) -> None:
    made_up = LOAD.model_copy(update={"source_etag": '"made-up-1a2b-3c"', "rows_read": 83_200, "rows_loaded": 83_200})
    comparison = compared(*(place(name, made_up, replace(TOTALS, rows=83_200)) for name in NAMES), source=source)
    assert (comparison.differences, comparison.notes) == ([], [])


def test_a_place_that_is_up_to_date_is_the_reference() -> None:
    new = LOAD.model_copy(update={"source_etag": "v2", "rows_read": 83_200, "rows_loaded": 83_200})
    comparison = compared(
        place("bigquery", new, replace(TOTALS, rows=83_200)), source=MonthAtSource(True, "v2", Totals(83_200))
    )
    assert {place for _, place in told(comparison)} == {"postgres", "gcs unpartitioned"}
    assert {kind for kind, _ in told(comparison)} == {"republished"}
    assert comparison.reference.rows == 83_200


def test_without_versions_rows_decide() -> None:
    nameless = LOAD.model_copy(update={"source_etag": None})
    places = [place(name, nameless) for name in NAMES]
    assert compared(*places, source=MonthAtSource(True, None, Totals(83_130))).differences == []
    comparison = compared(*places, source=MonthAtSource(True, None, Totals(83_131)))
    assert "postgres has 83,130 rows and 0 rejected ones, but the source's file has 83,131" in comparison.sentence


def test_loaded_and_rejected_are_what_the_source_has() -> None:
    dropped = LOAD.model_copy(
        update={"rows_loaded": 83_000, "rows_rejected": 130, "rejected_by_rule": {"zero_distance": 130}}
    )
    # The first pickup may be of a rejected row: no difference.
    kept = replace(TOTALS, rows=83_000, first_pickup=datetime(2020, 12, 2))
    assert compared(*(place(name, dropped, kept) for name in NAMES)).differences == []


@pytest.mark.parametrize("measure", ["first_pickup", "last_pickup"])
def test_pickups_are_compared_with_the_file_where_no_row_was_rejected(measure: str) -> None:
    other = replace(TOTALS, **{measure: datetime(2020, 12, 15)})
    comparison = compared(*(place(name, totals=other) for name in NAMES))
    assert "as the source" in comparison.sentence
    assert len(comparison.differences) == 4


def test_sums_of_the_source_are_compared_by_the_rules_that_dropped_rows() -> None:
    dropped = LOAD.model_copy(
        update={"rows_loaded": 83_000, "rows_rejected": 130, "rejected_by_rule": {"zero_distance": 130}}
    )
    less = replace(TOTALS, rows=83_000, amounts=900.0)
    source = replace(AT_SOURCE, conformed={frozenset(): TOTALS, frozenset({"zero_distance"}): less})
    comparison = compared(place("postgres", dropped, less), source=source)
    assert comparison.differences == []
    comparison = compared(place("postgres", totals=less), source=source)
    assert "sum of totals 900.00, not 1,000.00 as the source" in comparison.sentence


def test_loads_of_other_files_or_rules_say_so_instead_of_their_sums() -> None:
    mirror = LOAD.model_copy(update={"source_url": URL.replace(".parquet", ".csv.gz")})
    comparison = compared(place("postgres", mirror, replace(TOTALS, amounts=1.0)), source=None)
    assert comparison.sentence == "postgres was loaded from mirror, not from tlc as gcs unpartitioned"
    other = LOAD.model_copy(update={"rejected_by_rule": {"zero_distance": 1}, "rows_rejected": 1, "rows_read": 83_131})
    comparison = compared(place("postgres", other, replace(TOTALS, amounts=1.0)), source=None)
    assert "postgres was loaded with zero_distance dropped, not nothing as in gcs unpartitioned" in comparison.sentence


def test_a_month_without_a_row_is_odd_in_each_target_though_all_agree() -> None:
    nothing = {"rows_loaded": 0, "rows_rejected": 83_130, "rejected_by_rule": {"unfit": 83_130}}
    places = [place(name, LOAD.model_copy(update=nothing), None) for name in NAMES]
    found = compared(*places)
    assert told(found) == [("empty", "postgres"), ("empty", "gcs unpartitioned"), ("empty", "bigquery")]
    assert found.differences[0].sentence == "postgres was loaded without a row (83,130 read)"
    without = [place(name, LOAD.model_copy(update={"rows_loaded": 0, "rows_read": 0}), Totals(0)) for name in NAMES]
    assert compared(*without, source=None).differences[0].sentence.endswith("without a row (none in the file)")


def test_what_the_catalogue_expects_is_a_note() -> None:
    less = LOAD.model_copy(update={"rows_read": 80_000, "rows_loaded": 80_000})
    places = [place(name, less, replace(TOTALS, rows=80_000)) for name in NAMES]
    comparison = compared(*places, source=None)
    assert comparison.differences == []
    assert comparison.notes == ["TLC has published it again since 2024-05: 80,000 rows, 83,130 then"]
    gone = compared(*places, source=MonthAtSource(False))
    assert gone.notes[0] == "tlc does not have it any more"


def test_source_and_rules_of_a_load() -> None:
    assert source_of(LOAD) is Source.tlc
    assert source_of(LOAD.model_copy(update={"source_url": "https://m/green/green_tripdata_2020-12.csv.gz"})) is (
        Source.mirror
    )
    rejected = {"zero_distance": 3, "unfit_value": 2, "negative_total": 0}
    assert dropped_rules(LOAD.model_copy(update={"rejected_by_rule": rejected})) == {"zero_distance"}


def report_of(*months: MonthComparison) -> ReconcileReport:
    return ReconcileReport(
        dataset="green",
        start_month="2020-09",
        end_month="2020-12",
        targets=["postgres", "gcs", "bigquery"],
        check_source="rows",
        months=list(months),
    )


def test_the_sentence_says_which_months_and_what_to_do() -> None:
    assert report_of(compared()).sentence == "2020-12 is the same in postgres, gcs, bigquery."
    missing = compared(place("bigquery", None, None))
    sentence = report_of(compared(), missing).sentence
    assert sentence == (
        "1 of 2 months differs: 2020-12: bigquery does not have the month, postgres does. "
        "Run backfill for them with targets=['bigquery'], and reconcile again."
    )
    wrong = compared(place("postgres", totals=replace(TOTALS, distances=1.0)))
    sentence = report_of(*[wrong] * 5).sentence
    assert "; and 2 more months. Run backfill for them with targets=['postgres'] and force=True" in sentence


def test_a_report_survives_json() -> None:
    report = report_of(compared(place("bigquery", None, None)))
    assert ReconcileReport.model_validate_json(report.model_dump_json()) == report
