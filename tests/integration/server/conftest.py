"""One Prefect server, one webhook, and runs that alert, with the shortest delays that Prefect takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Pending, Running, Submitting

from deployments.server.alerts import AlertDelays
from deployments.server.automations import Applied, apply_automations
from tests.integration.server.runs import hangs
from tests.servers.postgres_process import prefect_database
from tests.servers.prefect_process import ROOT, PrefectServer
from tests.servers.webhook_receiver import WebhookReceiver

LATE_RUNS = 5
# Prefect takes no less.
SHORT = AlertDelays(*(timedelta(seconds=10),) * 4)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server on Postgres: on SQLite, an automation may miss an event when two writes meet (docs/decisions.md)."""
    folder = tmp_path_factory.mktemp("alerts")
    with prefect_database() as url, PrefectServer(folder, PREFECT_SERVER_DATABASE_CONNECTION_URL=url) as running:
        yield running


@pytest.fixture(scope="session")
def forgotten(server: PrefectServer) -> list[FlowRun]:
    """A Pending and a Running run, of which nobody has told the automations, as after the server was killed."""
    with server.as_client(), get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(hangs), "died-with-its-server")
        runs = [client.create_flow_run_from_deployment(deployment, name="forgotten") for _ in range(2)]
        for run, state in zip(runs, (Submitting(), Running()), strict=True):
            client.set_flow_run_state(run.id, state, force=True)
        return runs


@pytest.fixture(scope="session")
def without_webhook(server: PrefectServer, forgotten: list[FlowRun]) -> Applied:
    """What applying does on a server that has no alert block."""
    with server.as_client():
        return apply_automations(SHORT)


@pytest.fixture(scope="session")
def applied(server: PrefectServer, receiver: WebhookReceiver, without_webhook: Applied) -> Applied:
    """What applying does once the alert block is registered."""
    registered = server.run(
        "-m",
        "blocks.register",
        environment={"TLC_ALERT_WEBHOOK_URL": receiver.url, "TLC_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none"},
    )
    assert registered.stdout.split()[-1] == "tlc-alerts", registered.stderr
    with server.as_client():
        return apply_automations(SHORT)


@pytest.fixture(scope="session")
def bad_runs(server: PrefectServer, applied: Applied) -> None:
    """One run of each kind that alerts: failed, too slow, different, killed, taken by no worker, or by one in vain."""
    with server.as_client(), get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(hangs), "nobody-serves-it")
        for _ in range(LATE_RUNS):
            client.create_flow_run_from_deployment(deployment, name="waits in vain")
        taken = client.create_flow_run_from_deployment(deployment, name="taken in vain")
        client.set_flow_run_state(taken.id, Pending())
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("runs.py"))],
        cwd=ROOT,
        env=server.environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert any(line.strip() == "hangs" for line in process.stdout)
    process.kill()
    process.wait()
    process.stdout.close()
