"""A source that serves files made to break a reader: a run's process ends by its exit code, and the target stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.tlc_site.site import TripSite
from flows import api_to_postgres
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import month_path
from flows.tlc.month import Month
from tests.conftest import Database
from tests.flows.test_backfill_processes import ROOT, environment_of_a_process
from tests.unit.extract.read.test_bounds import CSV_BOMBS, bomb, gzipped

pytestmark = pytest.mark.timeout(240)

MONTH = Month(2020, 12)
# As a worker starts it, with an address space of 4 GB: what a run of an ordinary month is content with.
_RUN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from deployments.run_engine import outlive_readers
outlive_readers()
from flows import api_to_postgres
api_to_postgres(dataset="green", month="2020-12", source=sys.argv[1], new_columns="keep")
"""


def run(source: Source) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, source],
        cwd=ROOT,
        env=environment_of_a_process(),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.mark.parametrize("name", ["one line", "a header", "ragged lines", "an open quote", "a dictionary"])
def test_a_run_ends_by_its_exit_code_and_leaves_the_month(
    environment: Path, database: Database, site: TripSite, tmp_path: Path, name: str
) -> None:
    before = api_to_postgres(dataset="green", month="2020-12")
    if name in CSV_BOMBS:
        source, (path, sentence) = Source.mirror, gzipped(tmp_path, name)
    else:
        source, (path, sentence) = Source.tlc, bomb(tmp_path, name)
    site.put(month_path(Dataset.green, MONTH, source), path.read_bytes())
    ended = run(source)
    assert ended.returncode == 1, ended.stderr[-2_000:]
    assert "NotTripFile: green 2020-12: " in ended.stderr or "TooManyBadRows: green 2020-12: " in ended.stderr, sentence
    assert database.value("select count(*) from tlc.green_trips") == before.rows_loaded
    assert database.value("select count(*) from tlc.loads") == 1
