"""How soon the platform is usable, a run starts, a killed one is told: ``python -m tests.benchmarks.platform``.

Says which target is missed, and ends with 1 then. The machine has to do nothing else meanwhile: all of it is the
start of Python processes.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from rich.console import Console

from deployments.tlc_site.fake_tlc_site import fake_tlc_site
from deployments.tlc_site.faults import Stall
from deployments.tlc_site.site import TripSite
from tests.benchmarks.inputs import FOLDER, SHARED
from tests.benchmarks.interrupted import ending_when_interrupted
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.queued_runs import ENDED
from tests.benchmarks.report import at_most, conclude
from tests.e2e.platform import Platform, platform_up, wait_for
from tests.servers.webhook_receiver import WebhookReceiver

MONTHS = ["2020-10", "2020-11", "2020-12"]
STALLED = "/trip-data/green_tripdata_2023-12.parquet"
RESULTS = Path(__file__).parent / "results" / "platform.json"
# What a figure must not exceed; the others are told only.
AT_MOST = {
    "make up, everything new (s)": 90,
    "submit to Running, median (s)": 12,
    "of them not completed": 0,
    "errors in the server's log": 0,
    "kill -9 of run and worker to alert (s)": 120,
}


def main() -> int:
    """0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.platform", description=__doc__)
    parser.add_argument("--single", type=int, default=7, help="runs one after the other, for the median")
    parser.add_argument("--together", type=int, default=20, help="runs submitted at once")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with ending_when_interrupted(), _site() as site, closing(WebhookReceiver()) as alerts:
        begun = time.monotonic()
        with platform_up(site, alerts) as platform:
            measured = {"make up, everything new (s)": time.monotonic() - begun}
            facts = machine_facts(platform.postgres_url) | {"load_average": load_before}
            begun = time.monotonic()
            platform.make("up")
            measured["make up, everything running (s)"] = time.monotonic() - begun
            waits = [_seconds_to_running(platform, _run(platform, MONTHS[0])) for _ in range(options.single)]
            measured["submit to Running, median (s)"] = statistics.median(waits)
            measured |= _together(platform, options.together)
            measured["kill -9 of run and worker to alert (s)"] = _seconds_to_alert(platform)
    measured = {what: round(value, 1) for what, value in measured.items()}
    print(*(f"{value:7.1f} {what}" for what, value in measured.items()), sep="\n")
    targets = [at_most(what, measured[what], most) for what, most in AT_MOST.items()]
    return conclude(targets, options.output, machine=facts, submit_to_running_seconds=waits, measured=measured)


def _site() -> TripSite:
    """The real files where they are; else months made up."""
    real = SHARED / "tlc"
    return TripSite([real / "cdn", real / "mirror"]) if real.is_dir() else fake_tlc_site(FOLDER / "site")


def _run(platform: Platform, month: str) -> FlowRun:
    run = platform.submit("api-to-postgres", dataset="green", month=month, source="mirror")
    platform.wait_for_state(run, *ENDED)
    return run


def _seconds_to_running(platform: Platform, run: FlowRun) -> float:
    with platform.client() as client:
        done = client.read_flow_run(run.id)
    assert run.created and done.start_time, "the run never ran"
    return (done.start_time - run.created).total_seconds()


def _together(platform: Platform, number: int) -> dict[str, float]:
    with platform.second_worker():
        begun = time.monotonic()
        parameters: list[dict[str, Any]] = [
            {"dataset": "green", "month": month, "source": "mirror"} for month in MONTHS
        ]
        runs = [platform.submit("api-to-postgres", **parameters[one % len(MONTHS)]) for one in range(number)]
        for run in runs:
            platform.wait_for_state(run, *ENDED)
        seconds = time.monotonic() - begun
    with platform.client() as client:
        ids = FlowRunFilterId(any_=[run.id for run in runs])
        done = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=ids))
    errors = platform.server_errors()
    for error in errors:
        Console(stderr=True).print(error, markup=False, highlight=False)
    return {
        f"{number} runs, two workers (s)": seconds,
        "of them not completed": sum(run.state_name != "Completed" for run in done),
        "errors in the server's log": len(errors),
    }


def _seconds_to_alert(platform: Platform) -> float:
    """From the end of a run's process and of its worker until somebody is told that it crashed."""
    platform.site.fail(STALLED, Stall(100_000, 600))
    run = platform.submit("api-to-postgres", dataset="green", month="2023-12")
    wait_for("a download", lambda: any(one.path == STALLED and one.bytes_sent for one in platform.site.requests))
    worker, process = platform.processes.note("worker"), platform.flow_process(run)
    assert worker and process
    for pid in (worker.pid, process.pid):
        os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    platform.alerts.wait_for(str(run.id), "Crashed", seconds=600)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
