"""A month as a run of the deployment ``load-month``, on whichever worker takes it, watched from here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelling

from blocks.limits import ensure_limits
from flows.decide.outcome import MonthOutcome, TargetOutcome, TargetStatus
from flows.decide.plan import LoadedMonth, MonthPlan
from flows.many_months.targets import LoadOptions
from flows.tlc.errors import ParameterError
from flows.tlc.report import Target
from flows.ui.cancellation import LoadStopped, check_stopped

DEPLOYMENT = "load-month/load-month"
# Seconds between two looks at a run. A month takes a minute or more, and each look is a request to the server.
POLL_SECONDS = 2.0


def check_deployed() -> None:
    """Raise ParameterError where no worker could ever take a month; also makes the limit that its run holds."""
    ensure_limits()
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound as error:
            raise ParameterError(
                f"run_on='work_pool' needs the deployment {DEPLOYMENT}, which Prefect's server does not have. Run "
                "'python -m deployments.apply', start a worker, and run again."
            ) from error


@task(
    name="load-month-elsewhere",
    task_run_name="{plan.request.dataset} {plan.request.month} in the work pool",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def load_month_elsewhere(plan: MonthPlan, choice: LoadOptions) -> MonthOutcome:
    """Submit the month, wait for its end, and say how the run ended for every target that it was to load.

    Cancelled, it has the month's run cancelled.
    """
    request, parent = plan.request, flow_run.get_id()
    submitted: FlowRun = run_deployment(  # type: ignore[assignment] # no coroutine: this is no async code
        DEPLOYMENT,
        parameters={
            "dataset": str(request.dataset),
            "month": str(request.month),
            "targets": plan.to_load,
            "source": str(request.source),
            "layout": choice.layout,
            "drop_rules": sorted(request.drop_rules),
            "force": choice.force,
            "new_columns": request.new_columns,
        },
        # A second try of the backfill submits anew: under the same key it would be given the run that failed.
        idempotency_key=_key(parent, plan) if parent else None,
        timeout=0,  # do not wait: a wait inside could not be cancelled
    )
    state = _end_of(submitted.id)
    status: TargetStatus = "loaded" if state.is_completed() else "failed"
    sentence = None if state.is_completed() else f"its run {submitted.name} is {state.name}: {state.message or ''}"
    legs = [TargetOutcome(target=target, status=status, sentence=sentence) for target in plan.to_load]
    return MonthOutcome(dataset=str(request.dataset), month=str(request.month), legs=legs)


def _key(parent: str, plan: MonthPlan) -> str:
    """The targets too: a month has several plans where they have it cleaned in different ways."""
    request, targets = plan.request, "-".join(plan.to_load)
    return f"{parent}-{flow_run.get_run_count()}-{request.dataset}-{request.month}-{targets}"


def reconciled_with_ledger(
    outcome: MonthOutcome,
    before: Mapping[Target, Mapping[str, LoadedMonth]],
    after: Mapping[Target, Mapping[str, LoadedMonth]],
) -> MonthOutcome:
    """The outcome as the targets' ledgers have it: the run itself is another machine's, and says only how it ended."""

    def settle(leg: TargetOutcome) -> TargetOutcome:
        was, now = before[leg.target].get(outcome.month), after[leg.target].get(outcome.month)
        rows = now.report.rows_loaded if now else 0
        if now is not None and now != was:
            return leg.model_copy(update={"status": "loaded", "sentence": None, "rows_loaded": rows})
        if leg.status == "loaded":
            return leg.model_copy(update={"status": "unchanged" if now else "not_published", "rows_loaded": rows})
        return leg.model_copy(update={"rows_loaded": rows})

    return outcome.model_copy(update={"legs": [settle(leg) for leg in outcome.legs]})


def _end_of(run_id: UUID) -> State[object]:
    with get_client(sync_client=True) as client:
        try:
            while True:
                state = client.read_flow_run(run_id).state
                if state is not None and state.is_final():
                    return state
                check_stopped()
                time.sleep(POLL_SECONDS)
        except LoadStopped:
            with suppress(Exception):  # the cancellation goes on whatever the server says
                client.set_flow_run_state(run_id, Cancelling())
            raise
