"""How many months are loaded at once if nobody says."""

from __future__ import annotations

from pathlib import Path

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
    monkeypatch.setattr(runner, "memory_limit", lambda: None)
    assert months_at_once(run_on, targets) == expected


@pytest.mark.parametrize(
    ("processors", "memory", "expected"),
    [
        ("max 100000", "max", 4),
        ("200000 100000", "max", 2),
        ("350000 100000", "max", 3),
        ("max 100000", str(768 << 20), 2),
        ("200000 100000", str(1280 << 20), 2),  # a job of the pool for Kubernetes
        ("max 100000", str(2 << 30), 4),  # the worker of the compose file
        ("max 100000", str(512 << 20), 1),
        ("50000 100000", "max", 2),
    ],
)
def test_container_has_no_more_than_it_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processors: str, memory: str, expected: int
) -> None:
    (tmp_path / "cpu.max").write_text(processors + "\n")
    (tmp_path / "memory.max").write_text(memory + "\n")
    monkeypatch.setattr(runner, "CGROUP", tmp_path)
    monkeypatch.delenv("WORKER_LIMIT", raising=False)
    monkeypatch.setattr(runner.os, "sched_getaffinity", lambda _process: set(range(16)), raising=False)
    assert months_at_once("here", ["gcs"]) == expected


def test_runs_of_a_worker_share_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{2 << 30}\n")
    monkeypatch.setattr(runner, "CGROUP", tmp_path)
    monkeypatch.setattr(runner.os, "sched_getaffinity", lambda _process: set(range(16)), raising=False)
    found = []
    for runs in ("1", "2", "4"):
        monkeypatch.setenv("WORKER_LIMIT", runs)
        found.append(months_at_once("here", ["gcs"]))
    assert found == [4, 4, 1]
