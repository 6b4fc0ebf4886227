"""Make Prefect's automations what the code says: ``python -m deployments.automations``, as often as you like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.blocks.webhook import Webhook
from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.sorting import AutomationSort
from prefect.events import Event, Resource
from prefect.events.filters import AutomationFilter, AutomationFilterTags
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from blocks.failures import told_in_one_sentence
from blocks.names import ALERTS
from blocks.settings import Settings
from blocks.temporary_server import ask_for_login
from blocks.unfinished_runs import watch_unfinished_runs
from deployments.server.alerts import MONTH_AWAITED, AlertDelays, managed_automations
from deployments.server.automation_parts import MANAGED
from deployments.server.build_on_load import build_on_load

# A run is silent after so many missed heartbeats: one may be lost, two may be late on a busy machine.
MISSED_HEARTBEATS = 3

ask_for_login()


@dataclass
class Applied:
    """What ``apply_automations`` did, by automation's name, and notes for the caller."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def apply_automations(delays: AlertDelays | None = None) -> Applied:
    """Create what is missing, update in place what differs, remove what is ours and no longer defined.

    Automations without the tag ``managed-by:deployments/automations.py``, are not touched. A paused one
    stays paused. Needs a Prefect server (``PREFECT_API_URL``).
    """
    delays = delays or _delays()
    applied = Applied()
    with get_client(sync_client=True) as client:
        webhook_id = _webhook_id(client)
        wanted = {each.name: each for each in (*managed_automations(delays, webhook_id), *build_on_load(client))}
        for there in _managed_there(client):
            definition = wanted.pop(there.name, None)
            if definition is None:
                client.delete_automation(there.id)
                applied.removed.append(there.name)
            else:
                _update(client, there, definition, applied)
        for definition in wanted.values():
            client.create_automation(definition)
            applied.created.append(definition.name)
        applied.notes += _notes(client, delays, webhook_id)
        watch_unfinished_runs(client)
        if webhook_id is not None:
            _start_waiting_for_a_month(client)
    return applied


def _delays() -> AlertDelays:
    """The delays from the environment; the heartbeat is Prefect's own setting, which runs use as well."""
    beat = get_current_settings().flows.heartbeat_frequency
    return AlertDelays(
        heartbeat=timedelta(seconds=beat * MISSED_HEARTBEATS) if beat else None,
        pending=timedelta(minutes=Settings().pending_minutes),
        late=timedelta(minutes=Settings().alert_late_minutes),
        no_month=timedelta(days=Settings().alert_no_month_days),
    )


def _webhook_id(client: SyncPrefectClient) -> UUID | None:
    try:
        return client.read_block_document_by_name(ALERTS, Webhook.get_block_type_slug(), include_secrets=False).id
    except ObjectNotFound:
        return None


def _managed_there(client: SyncPrefectClient) -> list[Automation]:
    ours = AutomationFilter(tags=AutomationFilterTags(all_=[MANAGED]))
    return client.read_automations(automations=ours, sort=AutomationSort.NAME_ASC, limit=200)


def _update(client: SyncPrefectClient, there: Automation, definition: AutomationCore, applied: Applied) -> None:
    """Update it only if something differs: an update forgets which runs the automation is waiting for."""
    is_paused, definition.enabled = definition.enabled and not there.enabled, there.enabled
    if is_paused:
        applied.notes.append(f"'{there.name}' is paused, and stays so until somebody resumes it.")
    if _comparable(there) == _comparable(definition):
        applied.left.append(there.name)
        return
    client.update_automation(there.id, AutomationCore(**_comparable(definition)))
    applied.updated.append(there.name)


def _comparable(automation: AutomationCore) -> dict[str, Any]:
    """The automation with all defaults set: for an update, the client sends only fields that were set."""
    return AutomationCore(**automation.model_dump()).model_dump(exclude={"owner_resource"})


def _notes(client: SyncPrefectClient, delays: AlertDelays, webhook_id: UUID | None) -> list[str]:
    notes = []
    if webhook_id is None:
        notes.append(
            f"Nobody is alerted: there is no block {ALERTS}. "
            "Set TLC_ALERT_WEBHOOK_URL, run python -m blocks.register, then this again."
        )
    elif client.server_type != ServerType.CLOUD and _ui_url(client) is None:
        notes.append("Alerts will have no link: set PREFECT_UI_URL in the environment of Prefect's server.")
    if delays.heartbeat is None:
        notes.append("Silent runs stay Running: heartbeats are off. Set PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30.")
    else:
        notes.append(f"A run is Crashed after {delays.heartbeat.total_seconds():g} s without a heartbeat.")
    return notes


def _ui_url(client: SyncPrefectClient) -> str | None:
    """The start of links in alerts. Only self-hosted servers have the route; Prefect Cloud knows its own address."""
    url: str | None = client.request("GET", "/admin/settings").json().get("ui_url")
    return url


def _start_waiting_for_a_month(client: SyncPrefectClient) -> None:
    """By a plain request: ``emit_event`` leaves the sending to a thread, and may lose it at the end of the process."""
    awaited = Event(event=MONTH_AWAITED, resource=Resource({"prefect.resource.id": MONTH_AWAITED}))
    client.request("POST", "/events", json=[awaited.model_dump(mode="json")]).raise_for_status()


def main(say: Callable[[str], None] = print) -> None:
    """Apply, and say what was done."""
    with told_in_one_sentence():
        applied = apply_automations()
    for done in ("created", "updated", "left", "removed"):
        for name in getattr(applied, done):
            say(f"{done:8} {name}")
    for note in applied.notes:
        say(note)


if __name__ == "__main__":
    main()
