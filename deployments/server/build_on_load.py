"""The automation that builds the models as soon as a month is loaded: declared, and off until somebody turns it on.

The schedule of build-models does for most: a backfill would start a run for each of its months, most of which find
nothing left to build.
"""

from __future__ import annotations

from uuid import UUID

from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification, RunDeployment
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from blocks.events import MONTH_LOADED
from deployments.server.automation_parts import MANAGED

BUILD_ON_LOAD = "tlc: build the models when a month is loaded"
_DEPLOYMENT = "build-models/build-models"
_TARGETS = ("postgres", "bigquery")


def build_on_load(client: SyncPrefectClient) -> list[AutomationCore]:
    """The automation, off; none before the deployment is there."""
    try:
        deployment_id = client.read_deployment_by_name(_DEPLOYMENT).id
    except ObjectNotFound:
        return []
    return [_automation(deployment_id)]


def _automation(deployment_id: UUID) -> AutomationCore:
    target = {"__prefect_kind": "jinja", "template": "{{ event.resource['tlc.target'] }}"}
    return AutomationCore(
        name=BUILD_ON_LOAD,
        description="Off: turn it on where the models have to follow a load at once, and not with the daily schedule.",
        enabled=False,
        tags=[MANAGED],
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match=ResourceSpecification(
                {"prefect.resource.id": ["tlc.month.*"], "tlc.target": ["postgres", "bigquery"]}
            ),
            expect={MONTH_LOADED},
        ),
        actions=[RunDeployment(deployment_id=deployment_id, parameters={"target": target})],
    )
