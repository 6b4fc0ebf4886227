"""Which automations there are: what each waits for, and what happens then. docs/operate.md says what to do about each.

Prefect's server runs them, so they work when the process, its worker or the whole machine that ran a flow is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.automations import (
    AutomationCore,
    CallWebhook,
    DoNothing,
    EventTrigger,
    Posture,
    ResourceSpecification,
)
from prefect.client.schemas.objects import StateType

from blocks.events import MONTH_LOADED, RECONCILE_DIFFERS
from deployments.server.alert_payload import (
    LATE_RUN_LINK,
    LATE_RUN_NAME,
    RUN_LINK,
    RUN_NAME,
    STATE_MESSAGE,
    STATE_NAME,
    slack_payload,
)
from deployments.server.automation_parts import automation, of_our_flows, runs, words
from deployments.server.dead_runs import mark_silent_runs, mark_unbegun_runs

# Emitted at each apply: starts the wait for a month if nothing has started it yet.
MONTH_AWAITED = "tlc.month.awaited"
# The wait restarts after its own alert, so that one is sent for each further N days.
ALERT_SENT = {"prefect.automation.action.executed", "prefect.automation.action.failed"}
NOTICE_LATE = "tlc: notice late runs"
# No second message about late runs within this time: with a long queue they would be hundreds.
LATE_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class AlertDelays:
    """How long each condition must last before it counts. Prefect takes 10 s at least, and looks every 5 s."""

    heartbeat: timedelta | None  # None: runs send no heartbeats, so nothing can be said about them
    pending: timedelta
    late: timedelta
    no_month: timedelta


def managed_automations(delays: AlertDelays, webhook_id: UUID | None) -> list[AutomationCore]:
    """Every automation; without a webhook, only those that send nothing."""
    ending = [mark_unbegun_runs(delays.pending)]
    if delays.heartbeat:
        ending.append(mark_silent_runs(delays.heartbeat))
    if webhook_id is None:
        return ending
    return [
        *ending,
        _alert_failed_runs(webhook_id),
        _notice_late_runs(delays.late),
        _alert_late_runs(webhook_id, delays.late),
        _alert_no_new_month(webhook_id, delays.no_month),
        _alert_differences(webhook_id),
    ]


def _alert_failed_runs(webhook_id: UUID) -> AutomationCore:
    return automation(
        "tlc: alert on failed and crashed runs",
        "A run ended badly: failed, timed out or crashed.",
        EventTrigger(
            posture=Posture.Reactive,
            # By the state's type: its name is TimedOut for a run that took too long, and may be anything.
            match=runs({"prefect.state-type": [StateType.FAILED.value, StateType.CRASHED.value]}),
            match_related=of_our_flows(),
            expect={"prefect.flow-run.*"},
        ),
        _tell(webhook_id, f"*{RUN_NAME}* {STATE_NAME}: {STATE_MESSAGE}\n{RUN_LINK}"),
    )


def _notice_late_runs(delay: timedelta) -> AutomationCore:
    """Sends nothing: in a long queue every run is late, and each would be told of."""
    return automation(
        NOTICE_LATE,
        f"A run was due, and {words(delay)} later no worker has taken it.",
        EventTrigger(
            posture=Posture.Proactive,
            match=runs(),
            match_related=of_our_flows(),
            after={"prefect.flow-run.Late"},
            expect={"prefect.flow-run.*"},  # whatever it is, the run has moved on
            for_each={"prefect.resource.id"},
            within=delay,
        ),
        DoNothing(),
    )


def _alert_late_runs(webhook_id: UUID, delay: timedelta) -> AutomationCore:
    return automation(
        "tlc: alert on late runs",
        f"A run is late, and no other was told of within {words(LATE_AGAIN)}.",
        EventTrigger(
            posture=Posture.Reactive,
            match=ResourceSpecification(
                {"prefect.resource.id": ["prefect.automation.*"], "prefect.resource.name": [NOTICE_LATE]}
            ),
            expect={"prefect.automation.triggered"},
            threshold=1,
            within=LATE_AGAIN,
        ),
        _tell(
            webhook_id,
            f"*{LATE_RUN_NAME}* is late: it is Late for {words(delay)}. Others that are late too are not told of for "
            f"{words(LATE_AGAIN)}. Is a worker running, and is its work pool or queue not paused?\n{LATE_RUN_LINK}",
        ),
    )


def _alert_no_new_month(webhook_id: UUID, delay: timedelta) -> AutomationCore:
    return automation(
        "tlc: alert when no month was loaded",
        f"No month was loaded into anything for {words(delay)}.",
        EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": ["tlc.month.*", "prefect.automation.*"]}),
            after={MONTH_LOADED, MONTH_AWAITED, *ALERT_SENT},
            expect={MONTH_LOADED},
            within=delay,
        ),
        _tell(
            webhook_id,
            f"*No new month* for {words(delay)}. Either TLC published nothing, or `sync_new_months` does not run, "
            "or it finds nothing: look at its last run.",
        ),
    )


def _alert_differences(webhook_id: UUID) -> AutomationCore:
    return automation(
        "tlc: alert on reconcile differences",
        "The source, the lake, Postgres and the warehouse do not have the same rows.",
        EventTrigger(posture=Posture.Reactive, expect={RECONCILE_DIFFERS}),
        _tell(
            webhook_id,
            "*reconcile* {{ event.payload.sentence | truncate(1500) }} "
            "({{ event.payload.months | join(', ') | truncate(300) }})\n"
            f"{RUN_LINK}",
        ),
    )


def _tell(webhook_id: UUID, text: str) -> CallWebhook:
    return CallWebhook(block_document_id=webhook_id, payload=slack_payload(text))
