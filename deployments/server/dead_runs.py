"""Automations that end runs whose process is gone, or never began: no run stays in a state for ever.

Late runs wait for a worker, and are alerted. Of runs that are being cancelled Prefect's server itself takes care: they
become Cancelled after PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture
from prefect.client.schemas.objects import StateType

from blocks.events import RUN_STILL_PENDING, RUN_STILL_RUNNING
from deployments.server.automation_parts import automation, of_our_flows, runs, words

HEARTBEAT = "prefect.flow-run.heartbeat"
# The server's own word: a process may die before its first heartbeat is out.
RUNNING = "prefect.flow-run.Running"
# After these a run is silent because it has ended, or waits outside of any process.
ENDS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "Suspended")}
# All names of the state Pending: a worker has the run, and starts its process or container.
PENDING = {f"prefect.flow-run.{name}" for name in ("Pending", "Submitting", "InfrastructurePending")}


def mark_silent_runs(delay: timedelta) -> AutomationCore:
    """A run that has begun and sends no heartbeat for ``delay`` becomes Crashed."""
    return automation(
        "tlc: mark silent runs as crashed",
        f"A run without a heartbeat for {words(delay)} becomes Crashed, which is alerted as any crash.",
        EventTrigger(
            posture=Posture.Proactive,
            match=runs(),
            match_related=of_our_flows(),
            after={RUNNING, HEARTBEAT, RUN_STILL_RUNNING},
            # The last one restarts the wait if an earlier one has been met.
            expect={HEARTBEAT, *ENDS, RUN_STILL_RUNNING},
            for_each={"prefect.resource.id"},
            within=delay,
        ),
        ChangeFlowRunState(
            state=StateType.CRASHED,
            message=f"No heartbeat for {words(delay)}: the process of this run, or its machine, is gone. "
            "The month is as it was before; run it again.",
        ),
    )


def mark_unbegun_runs(delay: timedelta) -> AutomationCore:
    """A run that a worker took, and that does not begin within ``delay``, becomes Crashed."""
    return automation(
        "tlc: mark runs that never begin as crashed",
        f"A run that a worker took and that has not begun {words(delay)} later becomes Crashed.",
        EventTrigger(
            posture=Posture.Proactive,
            match=runs(),
            match_related=of_our_flows(),
            after={*PENDING, RUN_STILL_PENDING},
            expect={"prefect.flow-run.*", RUN_STILL_PENDING},  # whatever it is, the run has moved on
            for_each={"prefect.resource.id"},
            within=delay,
        ),
        ChangeFlowRunState(
            state=StateType.CRASHED,
            message=f"A worker took this run, and {words(delay)} later it has not begun: the worker was ended "
            "meanwhile, or its log says why. The month is as it was before; run it again.",
        ),
    )
