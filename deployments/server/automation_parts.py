"""What all automations are made of: whose they are, which runs they watch, and durations in words."""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import (
    AutomationCore,
    CallWebhook,
    ChangeFlowRunState,
    DoNothing,
    EventTrigger,
    ResourceSpecification,
)

from deployments.server.declared import declared_deployments

# Whose automations they are: those with this tag are made, changed and removed here, all others are left alone.
MANAGED = "managed-by:deployments/automations.py"


def automation(
    name: str, description: str, trigger: EventTrigger, action: CallWebhook | ChangeFlowRunState | DoNothing
) -> AutomationCore:
    """One of ours, with one action."""
    return AutomationCore(name=name, description=description, tags=[MANAGED], trigger=trigger, actions=[action])


def runs(labels: dict[str, list[str]] | None = None) -> ResourceSpecification:
    """Events of flow runs, with these labels."""
    return ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"], **(labels or {})})


def of_our_flows() -> ResourceSpecification:
    """Other flows on the same server may have another heartbeat frequency and other people to alert."""
    return ResourceSpecification(
        {"prefect.resource.role": "flow", "prefect.resource.name": sorted(declared_deployments())}
    )


def words(duration: timedelta) -> str:
    """The duration in the largest unit that it is a whole number of, as in 45 days or 90 s."""
    seconds = duration.total_seconds()
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % length == 0 and seconds > length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"
