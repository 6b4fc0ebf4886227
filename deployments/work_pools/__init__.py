"""The work pools, each from a checked-in template: ``python -m deployments.work_pools [name …]`` makes them.

The templates are Prefect's own (``prefect work-pool get-default-base-job-template``) with this project's defaults.
The server gets them with these defaults in place of all variables: whoever starts a run would else choose its command,
image, environment or volumes, and so what the worker's account does. None is harmless: any value may be a reference to
a block, which the worker resolves, and a secret's text then stands in the job for all to read.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.utilities.templating import apply_values

from blocks.temporary_server import ask_for_login

ask_for_login()


@dataclass(frozen=True)
class Pool:
    """A work pool: its type, which names its template too, and what of the template the environment may set."""

    type: str
    description: str
    # Variable of the template → variable of the environment.
    from_environment: dict[str, str] = field(default_factory=dict)

    def base_job_template(self) -> dict[str, Any]:
        """What the server gets: ``template`` without variables, for deployments and runs to set none."""
        template = self.template()
        fixed = {
            name: variable["default"]
            for name, variable in template["variables"]["properties"].items()
            if variable.get("default") is not None
        }
        return {
            "job_configuration": apply_values(template["job_configuration"], fixed),
            "variables": {"type": "object", "properties": {}, "additionalProperties": False},
        }

    def template(self) -> dict[str, Any]:
        """The checked-in template, with the defaults that the environment sets."""
        file = files(__name__).joinpath(f"{self.type}.json")
        template: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for variable, name in self.from_environment.items():
            if value := os.environ.get(name):
                is_json = value.startswith(("{", "["))
                template["variables"]["properties"][variable]["default"] = json.loads(value) if is_json else value
        return template


DEFAULT_POOL = "tlc-process"
POOLS = {
    DEFAULT_POOL: Pool("process", "Runs flows as processes of the worker's machine.", {"command": "TLC_RUN_COMMAND"}),
    "tlc-docker": Pool("docker", "Runs each flow in a container of its own.", {"image": "TLC_IMAGE"}),
    "tlc-cloud-run": Pool(
        "cloud-run-v2",
        "Runs each flow as a Cloud Run job.",
        {
            "image": "TLC_IMAGE",
            "region": "TLC_GCP_REGION",
            "service_account_name": "TLC_GCP_RUN_SERVICE_ACCOUNT",
            "memory": "TLC_GCP_RUN_MEMORY",
            # In JSON. Jobs show these secrets to Prefect's API; without, the worker gives them its own in plain text.
            "prefect_api_auth_string_secret": "TLC_GCP_AUTH_STRING_SECRET",
            "prefect_api_key_secret": "TLC_GCP_API_KEY_SECRET",
            "cloudsql_instances": "TLC_GCP_CLOUD_SQL_INSTANCES",
        },
    ),
    "tlc-kubernetes": Pool(
        "kubernetes",
        "Runs each flow as a Kubernetes job.",
        {
            "image": "TLC_IMAGE",
            "namespace": "TLC_KUBERNETES_NAMESPACE",
            "service_account_name": "TLC_KUBERNETES_SERVICE_ACCOUNT",
        },
    ),
}


def ensure_work_pool(name: str = DEFAULT_POOL) -> str:
    """Make the pool, or bring its template up to date; what people set (limit, pause) stays. Returns its name."""
    pool = POOLS[name]
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            create_work_pool(client, name)
        else:
            client.update_work_pool(
                name, WorkPoolUpdate(description=pool.description, base_job_template=pool.base_job_template())
            )
    return name


def create_work_pool(client: SyncPrefectClient, name: str) -> None:
    """Make the pool, which is not there. Raises ObjectAlreadyExists if it is."""
    pool = POOLS[name]
    client.create_work_pool(
        WorkPoolCreate(
            name=name, type=pool.type, description=pool.description, base_job_template=pool.base_job_template()
        )
    )
