"""How many months are loaded at once if nobody says."""

from __future__ import annotations

import pytest

from flows.many_months import runner
from flows.many_months.runner import months_at_once
from flows.parameters import RunOn


@pytest.mark.parametrize(
    ("run_on", "targets", "cores", "expected"),
    [
        ("here", ["postgres"], 1, 2),  # one waits for the source while the other loads
        ("here", ["postgres", "gcs", "bigquery"], 3, 3),
        ("here", ["gcs"], 64, 4),
        ("here", ["bigquery"], 2, 4),
        ("work_pool", ["postgres"], 2, 4),
        ("dask", ["postgres"], 2, 4),
    ],
)
def test_as_many_as_help(
    monkeypatch: pytest.MonkeyPatch, run_on: RunOn, targets: list[str], cores: int, expected: int
) -> None:
    monkeypatch.setattr(runner, "usable_cores", lambda: cores)
    assert months_at_once(run_on, targets) == expected
