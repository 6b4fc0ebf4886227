"""Schedules that ``prefect.yaml`` no longer has: ``prefect deploy`` leaves them on the server."""

from __future__ import annotations

from prefect.client.orchestration import get_client

from deployments.server.declared import declared_deployments


def remove_undeclared_schedules() -> list[str]:
    """Remove schedules with a slug that the file does not have, and return them as ``deployment: slug``.

    Those without a slug, which people made in the UI, are not removed here. But if the file has schedules for a
    deployment, ``prefect deploy`` has already replaced them: if any lacks a slug, the server keeps only the file's.
    """
    removed = []
    with get_client(sync_client=True) as client:
        for name, declared in declared_deployments().items():
            kept = {schedule["slug"] for schedule in declared["schedules"]}
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            for schedule in client.read_deployment_schedules(deployment.id):
                if schedule.slug and schedule.slug not in kept:
                    client.delete_deployment_schedule(deployment.id, schedule.id)
                    removed.append(f"{name}: {schedule.slug}")
    return removed
