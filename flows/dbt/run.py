"""Run dbt on a request, each model and test as a task of the flow run. Imported by dbt's own process alone."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from dbt_common.events.base_types import EventLevel
from filelock import FileLock, Timeout
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.context import hydrated_context
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.results import get_result_store
from prefect_dbt import PrefectDbtRunner, PrefectDbtSettings

from flows.dbt.invoke import write_docs
from flows.dbt.preview import preview_model
from flows.dbt.project import PROJECT
from flows.dbt.request import DbtAnswer, DbtRequest
from flows.decide.models import ModelNode, NodeStatus

# How long another process may have the DuckDB file: as long as a load waits.
LOCK_SECONDS = 600.0
_TASK_SECONDS = 30.0
# Tests of the models' SQL on made-up rows are for who changes it; those of the source are what the loads have done; and
# a row too many would be seen in the sums, which are compared with the ledger.
_LEFT_OUT = ("--exclude-resource-type", "unit_test", "--exclude", "tag:checked_by_loads", "test_name:one_row_per")
_STATUS: dict[str, NodeStatus] = {
    "success": "built",
    "pass": "passed",
    "warn": "warned",
    "skipped": "skipped",
    "no-op": "skipped",
}


# Each task makes three clients of Prefect's API, and each client would read all certificates of the system: 50 ms.
ssl.create_default_context = cache(ssl.create_default_context)  # type: ignore[assignment] # the same calls


class ModelsRunner(PrefectDbtRunner):  # type: ignore[misc] # it is in another environment than the type checker
    """Names the assets as the loads do: ``postgres://tlc/yellow_trips``, whichever server or file has it."""

    def _set_manifest_from_project_dir(self) -> None:
        super()._set_manifest_from_project_dir()
        assert self._manifest is not None
        self._manifest.metadata.adapter_type = os.environ["TLC_MODELS_PLACE"]
        for node in (*self._manifest.nodes.values(), *self._manifest.sources.values()):
            if node.relation_name:
                node.relation_name = f"{node.schema}.{getattr(node, 'identifier', None) or node.alias}"

    def _call_task(self, task_state: Any, manifest_node: Any, context: dict[str, Any], enable_assets: bool) -> None:
        """Run the node's task with the settings of this process, which are those of the run.

        Else each task makes them anew, twice: a third of a second of every one.
        """
        super()._call_task(task_state, manifest_node, context | {"settings_context": {}}, enable_assets)


def run_dbt(request: DbtRequest) -> DbtAnswer:
    """Run dbt, alone on its folder and on a DuckDB file."""
    os.environ.update(request.environment)
    os.environ["TLC_MONTHS"] = ",".join(request.months)
    os.environ["TLC_LOADS"] = json.dumps(request.loads)
    os.environ["TLC_MODELS_VERSION"] = request.version
    with _locked():
        if request.command == "preview":
            return preview_model(request.select[0], str(_target_path()))
        if request.command == "docs":
            write_docs(str(_target_path()))
            return DbtAnswer()
        with _within(request.flow_run_id):
            return _build(request)


def _build(request: DbtRequest) -> DbtAnswer:
    settings = PrefectDbtSettings(
        project_dir=PROJECT,
        profiles_dir=PROJECT,
        target_path=_target_path(),
        log_level=EventLevel.ERROR,  # each model and test is a task with a state: lines that say the same cost seconds
    )
    arguments = ["build", "--log-path", str(_target_path() / "logs"), *_LEFT_OUT, *request.exclude]
    arguments += ["--full-refresh"] if request.full_refresh else []
    arguments += ["--select", *request.select] if request.select else []
    found = ModelsRunner(settings=settings, raise_on_failure=False).invoke(arguments)
    _finish_tasks()
    return DbtAnswer(nodes=[_node(result) for result in found.result.results])


def tell_prefect() -> None:
    """Send the logs and states of tasks that wait to be sent."""
    APILogWorker.drain_all()
    EventsWorker.drain_all()


def _target_path() -> Path:
    return Path(os.environ["TLC_MODELS_TARGET"])


def _finish_tasks() -> None:
    """Wait for the threads in which the runner's tasks end: it does not, and they would end with this process."""
    for thread in threading.enumerate():
        if thread.name.endswith("(run_task)"):
            thread.join(_TASK_SECONDS)


@contextmanager
def _locked() -> Iterator[None]:
    _target_path().mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.environ.get("TLC_MODELS_DUCKDB_FILE")
    with ExitStack() as held:
        held.enter_context(FileLock(_target_path() / "dbt.lock"))
        if file:
            try:
                held.enter_context(FileLock(f"{file}.lock", timeout=LOCK_SECONDS))
            except Timeout:
                raise TimeoutError(f"{file} was in use for {LOCK_SECONDS:.0f} s; run again") from None
            held.callback(_close_duckdb)
        yield


def _close_duckdb() -> None:
    """Let others open the file: dbt would keep it to the end of the process."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: PLC0415 - only if it is the engine

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()


@contextmanager
def _within(flow_run_id: str | None) -> Iterator[None]:
    """Whatever tasks are run within are those of this flow run, which goes on in another process."""
    if flow_run_id is None:
        yield
        return
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(flow_run_id))
    context = {"flow": _of_this_run, "flow_run": run, "parameters": {}, "result_store": get_result_store()}
    with hydrated_context({"flow_run_context": context}):
        yield


@flow(name="build-models")
def _of_this_run() -> None:
    """Stand for the flow of the run, in what Prefect tells of its tasks."""


def _node(result: Any) -> ModelNode:
    """A result of dbt's as the report has it; dbt's own classes have no types."""
    node, status = result.node, str(result.status)
    if str(node.resource_type) != "test":
        kind: Literal["model", "hook"] = "model" if str(node.resource_type) == "model" else "hook"
        return ModelNode(
            kind=kind,
            name=node.name,
            status=_STATUS.get(status, "failed"),
            seconds=round(result.execution_time, 3),
            message=result.message or "",
        )
    tested = node.attached_node or next(iter(node.depends_on.nodes), None)
    return ModelNode(
        kind="test",
        name=node.test_metadata.name if getattr(node, "test_metadata", None) else node.name,
        status=_STATUS.get(status, "failed"),
        model=tested.rpartition(".")[2] if tested else None,
        seconds=round(result.execution_time, 3),
        rows=result.failures,
        message=result.message or "",
        query=node.compiled_code if status in ("fail", "warn") else None,
    )
