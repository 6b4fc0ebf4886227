"""Applying automations: what is made, left, changed, removed, and what is not ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prefect.automations import Automation, DoNothing, EventTrigger, Posture
from prefect.client.orchestration import get_client

from deployments.server.alerts import managed_automations
from deployments.server.automation_parts import MANAGED
from deployments.server.automations import apply_automations
from tests.integration.server.conftest import SHORT

pytestmark = pytest.mark.timeout(420)

SILENT = "tlc: mark silent runs as crashed"
UNBEGUN = "tlc: mark runs that never begin as crashed"
LATE = "tlc: alert on late runs"
NOTICED = "tlc: notice late runs"
ENDING = [UNBEGUN, SILENT]
ALL = {
    *ENDING,
    LATE,
    NOTICED,
    "tlc: alert on failed and crashed runs",
    "tlc: alert when no month was loaded",
    "tlc: alert on reconcile differences",
}


def there() -> dict[str, Automation]:
    with get_client(sync_client=True) as client:
        response = client.request("POST", "/automations/filter", json={})
        return {each["name"]: Automation.model_validate(each) for each in response.json()}


def made_by_hand(name: str, tags: list[str]) -> Automation:
    return Automation(
        name=name,
        tags=tags,
        trigger=EventTrigger(posture=Posture.Reactive, expect={"tlc.never"}),
        actions=[DoNothing()],
    ).create()


def test_without_a_webhook_dead_runs_are_marked_all_the_same_and_it_says_so(without_webhook) -> None:
    assert without_webhook.created == ENDING
    assert any("Set TLC_ALERT_WEBHOOK_URL" in note for note in without_webhook.notes)


def test_with_a_webhook_the_alerts_come_in_addition(applied) -> None:
    assert set(applied.created) == ALL - set(ENDING)
    assert (set(applied.left), applied.updated, applied.removed) == (set(ENDING), [], [])
    assert not any("TLC_ALERT_WEBHOOK_URL" in note or "PREFECT_UI_URL" in note for note in applied.notes)


def test_again_changes_nothing(server, applied) -> None:
    with server.as_client():
        before = there()
        again = apply_automations(SHORT)
        assert set(again.left) == ALL
        assert (again.created, again.updated, again.removed) == ([], [], [])
        assert there() == before


def test_changed_definition_is_updated_in_place(server, applied) -> None:
    with server.as_client():
        before = there()
        changed = apply_automations(replace(SHORT, late=timedelta(minutes=20)))
        after = there()
        assert changed.updated == [LATE, NOTICED]
        assert after[LATE].id == before[LATE].id
        assert after[NOTICED].trigger.within == timedelta(minutes=20)
        assert "for 20 minutes" in after[LATE].actions[0].payload
        assert apply_automations(SHORT).updated == [LATE, NOTICED]


def test_only_what_is_ours_is_removed(server, applied) -> None:
    with server.as_client():
        theirs = made_by_hand("theirs", tags=["tlc"])
        made_by_hand("ours of last year", tags=[MANAGED])
        assert apply_automations(SHORT).removed == ["ours of last year"]
        assert set(there()) == ALL | {"theirs"}
        theirs.delete()


def test_paused_one_stays_paused(server, applied) -> None:
    with server.as_client():
        there_now = Automation.read(name=LATE)
        there_now.disable()
        again = apply_automations(SHORT)
        assert again.updated == []
        assert any(LATE in note and "paused" in note for note in again.notes)
        assert not there()[LATE].enabled
        there_now.enable()


def test_command_takes_patience_from_the_environment_and_says_what_it_did(server, applied) -> None:
    environment = {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "TLC_ALERT_NO_MONTH_DAYS": "60",
        "TLC_ALERT_LATE_MINUTES": "7",
    }
    done = server.run("-m", "deployments.automations", environment=environment)
    assert done.returncode == 0, done.stderr
    assert f"updated  {LATE}" in done.stdout
    assert "left     tlc: alert on failed and crashed runs" in done.stdout
    assert "A run is Crashed after 90 s without a heartbeat." in done.stdout
    with server.as_client():
        assert there()[NOTICED].trigger.within == timedelta(minutes=7)
        assert there()["tlc: alert when no month was loaded"].trigger.within == timedelta(days=60)
        apply_automations(SHORT)


def test_runs_without_heartbeats_are_not_called_silent() -> None:
    assert [each.name for each in managed_automations(replace(SHORT, heartbeat=None), None)] == [UNBEGUN]
