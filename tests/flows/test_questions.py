"""The benchmark's questions on two small months: every engine gives the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import taxi_zone_lookup, write_parquet
from flows import load_month
from flows.tlc.dataset import Dataset
from flows.tlc.locations import ZONES_PATH, lake_object
from flows.tlc.month import Month
from tests.benchmarks.contenders.questions import CHANGES, engine, plain
from tests.benchmarks.question_list import questions
from tests.benchmarks.questions import same
from tests.conftest import Database
from tests.flows.conftest import path_of

MONTHS = [Month(2023, 12), Month(2024, 1)]
ROWS = 60_000


def test_every_engine_gives_the_same_answers(
    environment: Path, database: Database, site: TripSite, tmp_path: Path
) -> None:
    dataset, folder = Dataset.yellow, tmp_path / "tlc"
    folder.mkdir()
    site.put(ZONES_PATH, taxi_zone_lookup())
    for month in MONTHS:
        file = folder / path_of(month, dataset).rpartition("/")[2]
        write_parquet(dataset, month, file, ROWS, anomalies=False)  # a rejected row is in TLC's files alone
        site.put(path_of(month, dataset), file.read_bytes())
        load_month(dataset=dataset, month=str(month))
    of_lake = [tmp_path / "local" / "lake" / lake_object(dataset, month) for month in MONTHS]

    def answers(name: str, paths: list[Path] | None = None) -> dict[str, Any]:
        with engine(name, dataset, paths or []) as ask:
            return {name: plain(ask(sql)) for name, sql in questions(dataset, MONTHS[-1]).items()}

    expected = answers("files", sorted(folder.iterdir()))
    assert len(expected) == 14
    assert [question for question, answer in expected.items() if not answer] == []
    others = {name: answers(name) for name in (*CHANGES, "warehouse", "lake")} | {"files": answers("files", of_lake)}
    assert [
        (name, question, found[question][:2], answer[:2])
        for name, found in others.items()
        for question, answer in expected.items()
        if not same(answer, found[question])
    ] == []


def test_answers_differ_by_more_than_a_sum_s_last_digits() -> None:
    assert same([["a", 1.0, None]], [["a", 1.0 + 1e-12, None]])
    assert not same([["a", 1.0]], [["a", 1.001]])
    assert not same([["a", 1.0]], [["a", 1.0], ["b", 1.0]])
    assert not same([["a", None]], [["a", 0.0]])
