"""Worker processes that share a backfill, and what their runs' time goes into."""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterStartTime
from prefect.client.schemas.objects import FlowRun

from deployments.work_pools import DEFAULT_POOL
from flows.many_months.work_pool import DEPLOYMENT
from tests.benchmarks.inputs import CHECKOUT

# Months submitted at once: more than there are workers, so that none of them waits for the backfill's next look.
AT_ONCE = 4
_STARTUP_SECONDS = 120


def deploy(environment: Mapping[str, str]) -> None:
    """All deployments on the server of the environment, with runs that start as those of ``make up``."""
    command = {"TLC_RUN_COMMAND": shlex.join([sys.executable, "-m", "deployments.run_engine"])}
    subprocess.run(
        [sys.executable, "-m", "deployments.apply"],
        cwd=CHECKOUT,
        env={**environment, **command},
        check=True,
        capture_output=True,
    )


@contextmanager
def workers(number: int, environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """So many workers with room for one run each, all of them ready."""
    with ExitStack() as running:
        for place in range(number):
            running.enter_context(_worker(f"bench-{number}-{place}", environment, folder))
        _wait_until_online(number, environment)
        yield


@contextmanager
def _worker(name: str, environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", DEFAULT_POOL, "--name", name]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--limit", "1"],
            cwd=folder,
            env={**environment, "PREFECT_WORKER_QUERY_SECONDS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_online(number: int, environment: Mapping[str, str]) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    with SyncPrefectClient(environment["PREFECT_API_URL"]) as client:
        while True:
            found = client.request("POST", f"/work_pools/{DEFAULT_POOL}/workers/filter", json={}).json()
            if len([one for one in found if one["name"].startswith(f"bench-{number}-")]) == number:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{number} workers were not ready within {_STARTUP_SECONDS} s.")
            time.sleep(0.5)


def parts_of_runs(environment: Mapping[str, str], since: datetime) -> dict[str, float]:
    """Where the time of a month's run went, medians in seconds.

    From when the worker took it until it ran is the start of its process: Python, imports, the flow's code.
    """
    with SyncPrefectClient(environment["PREFECT_API_URL"]) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
                start_time=FlowRunFilterStartTime(after_=since),
            )
        )
        starts = [_start_seconds(client, run) for run in runs]
    return {
        "start of its process": statistics.median(starts),
        "running": statistics.median(run.total_run_time.total_seconds() for run in runs),
    }


def _start_seconds(client: SyncPrefectClient, run: FlowRun) -> float:
    at = {state.name: state.timestamp for state in client.read_flow_run_states(run.id)}
    return (at["Running"] - at["Pending"]).total_seconds()
