"""Parameters that never came before a form's check: what the worker's run makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Scheduled

from tests.servers.prefect_process import ROOT, PrefectServer
from tests.servers.worker_process import work_until

POOL = "round-the-check"
GIVEN = {"dataset": "green", "month": "2020-12"}
# The server checks what a run is created with, not what it is changed to.
CHANGED: dict[str, dict[str, Any]] = {
    "as it was": GIVEN,
    "unknown": GIVEN | {"evil": "value"},
    "no month": GIVEN | {"month": "../2020-12"},
}


def changed_runs(client: SyncPrefectClient, server: PrefectServer) -> dict[str, FlowRun]:
    """Runs of a deployment whose lake has no month, with other parameters than they were created with."""
    client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    deployment = client.create_deployment(
        client.create_flow_from_name("gcs-to-bigquery"),
        POOL,
        work_pool_name=POOL,
        entrypoint="flows/gcs_to_bigquery.py:gcs_to_bigquery",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
    )
    runs = {}
    for name, parameters in CHANGED.items():
        runs[name] = client.create_flow_run_from_deployment(deployment, parameters=GIVEN, state=Scheduled())
        answer = httpx.patch(f"{server.api_url}/flow_runs/{runs[name].id}", json={"parameters": parameters})
        answer.raise_for_status()
    return runs


def test_run_that_goes_round_the_check_ends_before_it_begins(server: PrefectServer, tmp_path: Path) -> None:
    with server.as_client(), get_client(sync_client=True) as client:
        runs = changed_runs(client, server)

        def all_ended(_log: str) -> bool:
            states = [client.read_flow_run(run.id).state for run in runs.values()]
            return all(state and state.is_final() for state in states)

        here = {"PYTHONPATH": str(ROOT), "TLC_LOCAL_DIR": str(tmp_path / "local")}
        work_until(all_ended, "--pool", POOL, environment=server.environment | here, log=tmp_path / "log")
        states = {name: client.read_flow_run_states(run.id) for name, run in runs.items()}
    types = {name: [each.type for each in of_run] for name, of_run in states.items()}
    ended = {name: (of_run[-1], StateType.RUNNING in of_run) for name, of_run in types.items()}
    assert ended == {
        "as it was": (StateType.COMPLETED, True),
        "unknown": (StateType.CRASHED, False),
        "no month": (StateType.FAILED, False),
    }
