"""Builds that are killed, or are two at once: as processes, as users have them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_API_URL

from flows import build_models
from tests.flows.models.conftest import Put, Targets, load

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 240
SOME = "daily_trips tips"


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def waits_for_lock(targets: Targets) -> bool:
    return bool(targets.query("postgres", "select 1 from pg_locks where not granted"))


def marts_there(targets: Targets) -> set[str]:
    sql = "select tablename from pg_tables where schemaname = 'tlc_marts'"
    return {name for (name,) in targets.query("postgres", sql)}


@pytest.mark.timeout(900)
def test_a_killed_build_leaves_no_half_month_and_no_process_and_the_next_one_builds_it(
    targets: Targets, publish: Put
) -> None:
    for month in ("2023-10", "2023-11"):
        publish("green", month)
        load("green", month, "postgres")
    # The mart of tips waits for the names of payments, after others are done.
    holder = targets.database.connect()
    holder.cursor().execute("lock table tlc.payment_types in access exclusive mode")
    build = subprocess.Popen(
        [sys.executable, "-c", f"from flows import build_models; build_models(target='postgres', select='{SOME}')"],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(ROOT)},
    )
    until(lambda: waits_for_lock(targets) and "daily_trips" in marts_there(targets))
    children = psutil.Process(build.pid).children(recursive=True)
    assert any("flows.dbt.serve" in " ".join(child.cmdline()) for child in children)
    build.send_signal(signal.SIGKILL)
    build.wait()
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
    holder.rollback()
    holder.close()

    assert "model_builds" not in marts_there(targets)  # nothing is taken for built
    report = build_models(target="postgres", select=SOME)
    assert (report.status, report.months) == ("built", ["2023-10", "2023-11"])
    for mart in SOME.split():
        sql = f"select sum(trips), count(distinct source_month) from tlc_marts.{mart}"
        assert targets.query("postgres", sql) == targets.query(
            "postgres", "select count(*), count(distinct source_month) from tlc.green_trips"
        )
    assert build_models(target="postgres", select=SOME).status == "unchanged"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["postgres", "bigquery"])
def test_two_builds_at_once_are_one_after_the_other(target: str, targets: Targets, publish: Put) -> None:
    publish("green", "2023-10")
    load("green", "2023-10", target)
    reports, errors = [], []

    def build() -> None:
        try:
            reports.append(build_models(target=target, select=SOME))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=copy_context().run, args=(build,)) for _ in range(2)]  # with the test's server
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    if target == "postgres":  # the second waits before it looks, and finds nothing to do
        assert sorted(report.status for report in reports) == ["built", "unchanged"]
    counted = targets.query(
        target, "select (select sum(trips) from tlc_marts.daily_trips), (select count(*) from tlc.green_trips)"
    )
    assert int(counted[0][0]) == counted[0][1]
    assert build_models(target=target, select=SOME).status == "unchanged"
