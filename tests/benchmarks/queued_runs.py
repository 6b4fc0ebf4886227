"""Runs that were queued on a platform, and what became of them: states, turns, what stays held."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from tests.benchmarks.ui_pages import spread
from tests.e2e.platform import Platform, wait_for

ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")
# A killed run is Crashed after 90 s without a heartbeat, and its lease is over five minutes after its last renewal.
SETTLED_SECONDS = 420.0
HOURS_AT_MOST = 1.0


@dataclass
class QueuedRuns:
    """The runs that were queued, and what was seen of the platform while it worked on them."""

    platform: Platform
    singles: list[FlowRun] = field(default_factory=list)
    backfills: list[FlowRun] = field(default_factory=list)
    killed: set[str] = field(default_factory=set)  # ids of runs whose process was killed
    connections: list[int] = field(default_factory=list)  # of Prefect's database, at each look
    averages: list[float] = field(default_factory=list)  # of the machine's load
    killed_at: datetime | None = None
    flows: dict[UUID, str] = field(default_factory=dict)  # their names

    def all_runs(self) -> list[FlowRun]:
        """Every run that somebody asked for: those queued, and the months of backfills on the work pool."""
        # Without most of those that schedules will start, which are some hundred.
        soon = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) + timedelta(minutes=10))
        asked: list[FlowRun] = []
        with self.platform.client() as client:
            while page := client.read_flow_runs(
                flow_run_filter=FlowRunFilter(expected_start_time=soon), limit=200, offset=len(asked)
            ):
                asked += page
        return [run for run in asked if not run.auto_scheduled]

    def flow_of(self, run: FlowRun) -> str:
        """The name of the run's flow, which is its deployment's."""
        if run.flow_id not in self.flows:
            with self.platform.client() as client:
                self.flows[run.flow_id] = client.read_flow(run.flow_id).name
        return self.flows[run.flow_id]

    def newest_run(self) -> str:
        """The one that somebody would look at."""
        begun = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.COMPLETED]))
        )
        with self.platform.client() as client:
            (newest,) = client.read_flow_runs(flow_run_filter=begun, sort=FlowRunSort.START_TIME_DESC, limit=1)
        return str(newest.id)

    def wait_until_ended(self, number: int) -> None:
        """Until so many of the runs that were queued have ended."""
        ids = {run.id for run in (*self.singles, *self.backfills)}

        def enough() -> bool:
            time.sleep(5)  # each look is some requests, which the platform has to answer too
            return sum(run.id in ids and _is_final(run) for run in self.all_runs()) >= number

        wait_for(f"{number} ends", enough, HOURS_AT_MOST * 3600)

    def settle(self) -> list[str]:
        """What stays as it is for ever: after so long, runs that have not ended, slots and locks that are held."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while (held := list(self._held())) and time.monotonic() < deadline:
            time.sleep(2)
        return held

    def _held(self) -> Iterator[str]:
        yield from (f"{run.name} is {run.state_name}" for run in self.all_runs() if not _is_final(run))
        with self.platform.client() as client:
            for limit in client.read_global_concurrency_limits(limit=200):
                if limit.active_slots:
                    yield f"{limit.name} has {limit.active_slots} slots held"
        statement = """
            select coalesce(l.relation::regclass::text, l.locktype), l.mode
            from pg_locks l where l.pid <> pg_backend_pid() and l.locktype in ('relation', 'advisory')
            and l.pid in (select pid from pg_stat_activity where backend_type = 'client backend')
        """
        yield from (f"Postgres: {name} is locked ({mode})" for name, mode in self.platform.query(statement))

    def wrong_outcomes(self, ended: Sequence[FlowRun]) -> list[str]:
        """Runs that are neither completed, nor killed, nor backfills that say which killed month they lack."""
        crashed = {str(run.id) for run in ended if run.state_type == StateType.CRASHED}
        months_of_killed = {
            run.parameters["month"] for run in ended if str(run.id) in crashed and "month" in run.parameters
        }
        return [
            f"{run.name} ({self.flow_of(run)}) is {run.state_name}: {run.state and run.state.message}"
            for run in ended
            if run.state_type != StateType.COMPLETED
            and not (str(run.id) in crashed and self._was_killed(run))
            and not (
                self.flow_of(run) == "backfill"
                and run.state_type == StateType.FAILED
                and any(month in ((run.state and run.state.message) or "") for month in months_of_killed)
            )
        ]

    def crashed_after(self, ended: Sequence[FlowRun]) -> list[float]:
        """Seconds."""
        at = [run.state.timestamp for run in ended if run.state and run.state_type == StateType.CRASHED]
        return sorted(round((one - self.killed_at).total_seconds(), 1) for one in at if self.killed_at)

    def _was_killed(self, run: FlowRun) -> bool:
        """Also one that the killed worker had taken, whose process had not begun."""
        if str(run.id) in self.killed:
            return True
        with self.platform.client() as client:
            states = client.read_flow_run_states(run.id)
        taken = [state.timestamp for state in states if state.type == StateType.PENDING]
        return run.run_count == 0 and self.killed_at is not None and any(at < self.killed_at for at in taken)

    def run_crashed_again(self, ended: Sequence[FlowRun]) -> list[str]:
        """Those that do not complete."""
        crashed = [run for run in ended if run.state_type == StateType.CRASHED]
        again = [self.platform.submit(self.flow_of(run), **run.parameters) for run in crashed]
        return [run.name for run in again if self.platform.wait_for_state(run, *ENDED) != "Completed"]

    def waits(self, ended: Sequence[FlowRun]) -> dict[str, dict[str, float]]:
        """Seconds from a run's submission until it ran, by kind."""
        by_kind: dict[str, list[float]] = defaultdict(list)
        for run in ended:
            if run.start_time and run.created:
                by_kind[self._kind(run)].append((run.start_time - run.created).total_seconds())
        return {kind: spread(values) for kind, values in by_kind.items()}

    def _kind(self, run: FlowRun) -> str:
        return "month of a backfill" if run.parent_task_run_id else self.flow_of(run)

    def overtaken(self, ended: Sequence[FlowRun]) -> dict[str, dict[str, float]]:
        """By how many runs that came later, but ran earlier, was each; by kind."""
        begun = [(run.created, run.start_time, run) for run in ended if run.created and run.start_time]
        by_kind: dict[str, list[float]] = defaultdict(list)
        for created, started, run in begun:
            by_kind[self._kind(run)].append(sum(c > created and s < started for c, s, _ in begun))
        return {kind: spread(values) for kind, values in by_kind.items()}


def _is_final(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()
