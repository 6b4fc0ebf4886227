"""What Prefect's UI asks of its server to show a page, and how long the answers take."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deployments.work_pools import DEFAULT_POOL

# As many requests at once as a browser makes of one server.
_BROWSERS_REQUESTS = 6
# A page's seconds end here: nobody waits longer.
PAGE_TIMEOUT = 60.0

Request = tuple[str, str, dict[str, Any]]


def pages(run_id: str) -> dict[str, list[Request]]:
    """The requests (method, path, body) of each page, as the UI of Prefect 3.8 makes them; one page is of a run."""
    since = {"expected_start_time": {"after_": (datetime.now(UTC) - timedelta(days=1)).isoformat()}}
    return {
        "dashboard": _dashboard(since),
        "runs": _runs(since),
        "run": _run(run_id),
        "deployments": _deployments(),
        "work pool": _work_pool(),
    }


def _post(path: str, **body: Any) -> Request:
    return ("POST", path, body)


def _get(path: str) -> Request:
    return ("GET", path, {})


def _history(path: str, **body: Any) -> Request:
    end = datetime.now(UTC)
    start = end - timedelta(days=1)
    return _post(
        path, history_start=start.isoformat(), history_end=end.isoformat(), history_interval_seconds=3600, **body
    )


def _dashboard(since: dict[str, Any]) -> list[Request]:
    groups = (["FAILED", "CRASHED"], ["RUNNING", "PENDING", "CANCELLING"], ["COMPLETED"], ["SCHEDULED"], ["CANCELLED"])
    return [
        *(_post("/flow_runs/count", flow_runs={**since, "state": {"type": {"any_": states}}}) for states in groups),
        *(
            _post("/flow_runs/filter", flow_runs={**since, "state": {"type": {"any_": states}}}, limit=50)
            for states in groups[:2]
        ),
        _history("/flow_runs/history", flow_runs=since),
        _post("/task_runs/count", task_runs={"state": {"type": {"any_": ["COMPLETED"]}}}),
        _post("/task_runs/count", task_runs={"state": {"type": {"any_": ["FAILED", "CRASHED"]}}}),
        _history("/task_runs/history"),
        _post("/work_pools/filter", limit=200),
        _post("/work_queues/filter"),
        _post(f"/work_pools/{DEFAULT_POOL}/workers/filter"),
        _post("/flow_runs/lateness", flow_runs=since),
    ]


def _runs(since: dict[str, Any]) -> list[Request]:
    return [
        _post("/flow_runs/paginate", page=1, limit=50, sort="START_TIME_DESC", flow_runs=since),
        _post("/ui/flow_runs/history", flow_runs=since, limit=1000, sort="START_TIME_DESC"),
        _post("/flow_runs/count", flow_runs=since),
        _post("/task_runs/paginate", page=1, limit=50, sort="EXPECTED_START_TIME_DESC"),
        _post("/task_runs/count"),
        _post("/flows/filter", limit=100),
        _post("/deployments/filter", limit=100),
        _post("/work_pools/filter", limit=100),
    ]


def _run(run_id: str) -> list[Request]:
    of_run = {"flow_runs": {"id": {"any_": [run_id]}}}
    return [
        _get(f"/flow_runs/{run_id}"),
        _get(f"/flow_runs/{run_id}/graph-v2"),
        _post("/logs/filter", logs={"flow_run_id": {"any_": [run_id]}}, limit=200, sort="TIMESTAMP_ASC"),
        _post("/task_runs/paginate", page=1, limit=20, **of_run),
        _post("/task_runs/count", **of_run),
        _post("/artifacts/filter", artifacts={"flow_run_id": {"any_": [run_id]}}, limit=50),
        _post("/events/filter", filter={"any_resource": {"id": [f"prefect.flow-run.{run_id}"]}}, limit=50),
        _post("/flow_runs/filter", flow_runs={"parent_flow_run_id": {"any_": [run_id]}}, limit=50),
    ]


def _deployments() -> list[Request]:
    return [
        _post("/deployments/paginate", page=1, limit=50, sort="NAME_ASC"),
        _post("/deployments/count"),
        _post("/flows/filter", limit=100),
        _post("/flows/count"),
        _post("/flow_runs/filter", limit=60, sort="START_TIME_DESC"),
        _post("/ui/flows/next-runs", flow_ids=[]),
    ]


def _work_pool() -> list[Request]:
    in_pool = {"work_pools": {"name": {"any_": [DEFAULT_POOL]}}}
    return [
        _get(f"/work_pools/{DEFAULT_POOL}"),
        _post(f"/work_pools/{DEFAULT_POOL}/queues/filter"),
        _post(f"/work_pools/{DEFAULT_POOL}/workers/filter"),
        _post("/flow_runs/paginate", page=1, limit=50, sort="START_TIME_DESC", **in_pool),
        _post("/flow_runs/lateness", **in_pool),
        _post("/flow_runs/count", **in_pool, flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}),
    ]


@dataclass
class Visitor:
    """Somebody who opens one page of the UI after the other."""

    api: str
    login: str | None
    newest_run: Callable[[], str]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: list[str] = field(default_factory=list)  # requests without a good answer

    def look_round(self) -> None:
        """Open each page once, with all that it asks for."""
        user, _, password = (self.login or "").partition(":")
        auth = (user, password) if user else None
        with (
            httpx.Client(base_url=self.api, auth=auth, timeout=PAGE_TIMEOUT) as client,
            ThreadPoolExecutor(_BROWSERS_REQUESTS) as browser,
        ):
            for page, requests in pages(self.newest_run()).items():
                begun = time.monotonic()
                list(browser.map(lambda request: self._ask(client, request), requests))
                self.seconds[page].append(time.monotonic() - begun)

    def _ask(self, client: httpx.Client, request: Request) -> None:
        method, path, body = request
        try:
            answer = client.request(method, path, json=body if method == "POST" else None)
        except httpx.HTTPError as error:
            self.refused.append(f"{path}: {error!r}")
            return
        if answer.is_error:
            self.refused.append(f"{path}: {answer.status_code} {answer.text[:200]}")


def spread(values: list[float]) -> dict[str, float]:
    """Number, median, 95th percentile and maximum."""
    ordered = sorted(values)
    return {
        "number": len(ordered),
        "median": round(statistics.median(ordered), 3),
        "p95": round(ordered[max(0, -(-len(ordered) * 95 // 100) - 1)], 3),
        "max": round(ordered[-1], 3),
    }
