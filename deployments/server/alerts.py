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
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
)
from prefect.client.schemas.objects import StateType

from blocks.events import MONTH_LOADED, RECONCILE_DIFFERS
from deployments.server.alert_payload import RUN_LINK, RUN_NAME, STATE_MESSAGE, STATE_NAME, slack_payload
from deployments.server.declared import declared_deployments

# Whose automations they are: those with this tag are made, changed and removed here, all others are left alone.
MANAGED = "managed-by:deployments/automations.py"

HEARTBEAT = "prefect.flow-run.heartbeat"
# The server's own word: a process may die before its first heartbeat is out.
RUNNING = "prefect.flow-run.Running"
# After these a run is silent because it has ended, or waits outside of any process.
ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "Suspended")}
# Emitted at each apply: starts the wait for a month if nothing has started it yet.
MONTH_AWAITED = "tlc.month.awaited"
# The wait restarts after its own alert, so that one is sent for each further N days.
ALERT_SENT = {"prefect.automation.action.executed", "prefect.automation.action.failed"}


@dataclass(frozen=True)
class AlertDelays:
    """How long each condition must last before it counts. Prefect takes 10 s at least, and looks every 5 s."""

    heartbeat: timedelta | None  # None: runs send no heartbeats, so nothing can be said about them
    late: timedelta
    no_month: timedelta


def managed_automations(delays: AlertDelays, webhook_id: UUID | None) -> list[AutomationCore]:
    """Every automation; without a webhook, only the one that sends nothing."""
    silent = [_mark_silent_runs(delays.heartbeat)] if delays.heartbeat else []
    if webhook_id is None:
        return silent
    return [
        *silent,
        _alert_failed_runs(webhook_id),
        _alert_late_runs(webhook_id, delays.late),
        _alert_no_new_month(webhook_id, delays.no_month),
        _alert_differences(webhook_id),
    ]


def _mark_silent_runs(delay: timedelta) -> AutomationCore:
    return _automation(
        "tlc: mark silent runs as crashed",
        f"A run without a heartbeat for {_words(delay)} becomes Crashed, which is alerted as any crash.",
        EventTrigger(
            posture=Posture.Proactive,
            match=_runs(),
            match_related=_of_our_flows(),
            after={RUNNING, HEARTBEAT},
            expect={HEARTBEAT, *ENDS},
            for_each={"prefect.resource.id"},
            within=delay,
        ),
        ChangeFlowRunState(
            state=StateType.CRASHED,
            message=f"No heartbeat for {_words(delay)}: the process of this run, or its machine, is gone. "
            "The month is as it was before; run it again.",
        ),
    )


def _alert_failed_runs(webhook_id: UUID) -> AutomationCore:
    return _automation(
        "tlc: alert on failed and crashed runs",
        "A run ended badly: failed, timed out or crashed.",
        EventTrigger(
            posture=Posture.Reactive,
            # By the state's type: its name is TimedOut for a run that took too long, and may be anything.
            match=_runs({"prefect.state-type": [StateType.FAILED.value, StateType.CRASHED.value]}),
            match_related=_of_our_flows(),
            expect={"prefect.flow-run.*"},
        ),
        _tell(webhook_id, f"*{RUN_NAME}* {STATE_NAME}: {STATE_MESSAGE}\n{RUN_LINK}"),
    )


def _alert_late_runs(webhook_id: UUID, delay: timedelta) -> AutomationCore:
    return _automation(
        "tlc: alert on late runs",
        f"A run was due, or a worker took it, and {_words(delay)} later it has not started.",
        EventTrigger(
            posture=Posture.Proactive,
            match=_runs(),
            match_related=_of_our_flows(),
            after={"prefect.flow-run.Late", "prefect.flow-run.Pending"},
            expect={"prefect.flow-run.*"},  # whatever it is, the run has moved on
            for_each={"prefect.resource.id"},
            within=delay,
        ),
        _tell(
            webhook_id,
            f"*{RUN_NAME}* is late: it is {STATE_NAME} for {_words(delay)}. "
            f"Is a worker running, and is its work pool or queue not paused?\n{RUN_LINK}",
        ),
    )


def _alert_no_new_month(webhook_id: UUID, delay: timedelta) -> AutomationCore:
    return _automation(
        "tlc: alert when no month was loaded",
        f"No month was loaded into anything for {_words(delay)}.",
        EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification({"prefect.resource.id": ["tlc.month.*", "prefect.automation.*"]}),
            after={MONTH_LOADED, MONTH_AWAITED, *ALERT_SENT},
            expect={MONTH_LOADED},
            within=delay,
        ),
        _tell(
            webhook_id,
            f"*No new month* for {_words(delay)}. Either TLC published nothing, or `sync_new_months` does not run, "
            "or it finds nothing: look at its last run.",
        ),
    )


def _alert_differences(webhook_id: UUID) -> AutomationCore:
    return _automation(
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


def _automation(
    name: str, description: str, trigger: EventTrigger, action: CallWebhook | ChangeFlowRunState
) -> AutomationCore:
    return AutomationCore(name=name, description=description, tags=[MANAGED], trigger=trigger, actions=[action])


def _tell(webhook_id: UUID, text: str) -> CallWebhook:
    return CallWebhook(block_document_id=webhook_id, payload=slack_payload(text))


def _runs(labels: dict[str, list[str]] | None = None) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"], **(labels or {})})


def _of_our_flows() -> ResourceSpecification:
    """Other flows on the same server may have another heartbeat frequency and other people to alert."""
    return ResourceSpecification(
        {"prefect.resource.role": "flow", "prefect.resource.name": sorted(declared_deployments())}
    )


def _words(duration: timedelta) -> str:
    """The duration in the largest unit that it is a whole number of, as in 45 days or 90 s."""
    seconds = duration.total_seconds()
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % length == 0 and seconds > length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"
