"""A work pool whose runs are elsewhere, and no Postgres for them: the embedded one is this machine's alone.

What goes to Postgres is left out then, rather than started every day to fail.
"""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect_sqlalchemy import SqlAlchemyConnector

from blocks.names import POSTGRES
from blocks.settings import Settings
from deployments.declared import declared_deployments
from deployments.work_pools import DEFAULT_POOL
from flows.tlc.report import TARGETS

# The target, and the tag of what has no other.
_POSTGRES = "postgres"
OTHER_TARGETS = [target for target in TARGETS if target != _POSTGRES]


def must_leave_block_out(pool: str) -> bool:
    """Whether registering would give runs on other machines the socket of this one's embedded Postgres."""
    return pool != DEFAULT_POOL and Settings().postgres_url is None


def leave_postgres_out() -> str | None:
    """Of what is deployed: other targets as the default, and no schedule where there is no other target.

    Returns what was done and how to undo it, in a sentence; None, and nothing is done, where the server has a block
    ``tlc-postgres`` that somebody registered.
    """
    with get_client(sync_client=True) as client:
        if _has_block(client):
            return None
        for name, declared in declared_deployments().items():
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            if "targets" in (deployment.parameter_openapi_schema or {})["properties"]:
                parameters = deployment.parameters | {"targets": OTHER_TARGETS}
                client.update_deployment(deployment.id, DeploymentUpdate(parameters=parameters))
            elif _POSTGRES in declared["tags"]:
                _unschedule(client, deployment)
    return (
        f"No Postgres: there is no block {POSTGRES}, targets are {' and '.join(OTHER_TARGETS)}, and green-taxi-etl is "
        "not scheduled. Set TLC_POSTGRES_URL to a database that the runs reach, and run this again."
    )


def _has_block(client: SyncPrefectClient) -> bool:
    try:
        client.read_block_document_by_name(POSTGRES, SqlAlchemyConnector.get_block_type_slug(), include_secrets=False)
    except ObjectNotFound:
        return False
    return True


def _unschedule(client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
    for schedule in client.read_deployment_schedules(deployment.id):
        if schedule.slug:  # those that people made have none
            client.delete_deployment_schedule(deployment.id, schedule.id)
