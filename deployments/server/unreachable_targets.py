"""Targets of this machine that a work pool's runs on other machines do not reach.

Schedules that load into these are left out: they would fail every day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.responses import DeploymentResponse

from blocks.names import LAKE, POSTGRES, WAREHOUSE
from blocks.register import is_given, variables_of
from blocks.saved import saved_names
from deployments.server.declared import declared_deployments
from deployments.work_pools import DEFAULT_POOL
from flows.tlc.report import TARGETS, Target

# The block that says where a target's rows go.
BLOCKS: dict[Target, str] = {"postgres": POSTGRES, "gcs": LAKE, "bigquery": WAREHOUSE}


class NothingToLoadInto(ValueError):
    """The pool's runs reach none of the targets. The message says what to set."""


def places_of_this_machine(pool: str) -> list[Target]:
    """The targets that are in this machine's own folders, for want of a variable, while the pool's runs are elsewhere.

    Registering their blocks would send runs on other machines to folders that these do not have.
    """
    if pool == DEFAULT_POOL:
        return []
    return [target for target in TARGETS if not is_given(BLOCKS[target])]


def unreachable_targets(pool: str, here: Collection[Target]) -> list[Target]:
    """Those of the targets ``here`` for which nobody has registered a block, and the warehouse without a lake.

    Raises NothingToLoadInto if that is all targets.
    """
    if not here:
        return []
    saved = saved_names()
    missing = [target for target in TARGETS if target in here and BLOCKS[target] not in saved]
    if "gcs" in missing and "bigquery" not in missing:  # it is loaded from the lake
        missing.append("bigquery")
    if len(missing) == len(TARGETS):
        raise NothingToLoadInto(
            f"The runs of {pool} are on other machines, which do not reach this one's Postgres, lake and warehouse. "
            "Set TLC_POSTGRES_URL, or TLC_LAKE_URL and TLC_WAREHOUSE_URL, to what they reach, and run this again."
        )
    return missing


def leave_out(targets: Collection[Target]) -> str:
    """Of what is deployed: other targets as the default, and no schedule for what needs one that is out of reach.

    Returns what was done and how to undo it, in a sentence.
    """
    others = [target for target in TARGETS if target not in targets]
    unscheduled: list[str] = []
    with get_client(sync_client=True) as client:
        for name, declared in declared_deployments().items():
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            if "targets" in (deployment.parameter_openapi_schema or {})["properties"]:
                parameters = deployment.parameters | {"targets": others}
                client.update_deployment(deployment.id, DeploymentUpdate(parameters=parameters))
            else:
                needs_them = not set(declared["tags"]).isdisjoint(targets)
                unscheduled += _unschedule(client, deployment, list(TARGETS) if needs_them else targets)
    names = " and ".join(targets)
    variables = " and ".join(variables_of(BLOCKS[target]) for target in targets)
    not_scheduled = f", not scheduled: {', '.join(unscheduled)}" if unscheduled else ""
    return (
        f"Out of the runs' reach: {names}. Targets are {' and '.join(others)}{not_scheduled}. Set {variables} to what "
        "the runs reach, and run this again."
    )


def _unschedule(
    client: SyncPrefectClient, deployment: DeploymentResponse, targets: Collection[Target]
) -> Iterator[str]:
    """Remove the schedules of runs into ``targets``; those that name no target count if it is all of them."""
    for schedule in client.read_deployment_schedules(deployment.id):
        is_ours = schedule.slug is not None  # those that people made have none
        target = (schedule.parameters or {}).get("target")
        if is_ours and (target in targets or len(targets) == len(TARGETS)):
            client.delete_deployment_schedule(deployment.id, schedule.id)
            yield f"{deployment.name} ({target})" if target else deployment.name
