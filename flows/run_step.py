"""One step that is a file in SQL, Python or R."""

from __future__ import annotations

from prefect import flow
from prefect.runtime import flow_run

from flows.decide.step import StepReport
from flows.parameters import MonthName, StepFile, StepParameters, StepTargetName
from flows.tasks.policy import with_context
from flows.tasks.steps import run_file, step_folder
from flows.tlc.errors import StepFailed
from flows.ui.step import publish_step


def _run_name() -> str:
    given = flow_run.get_parameters()
    return f"{given['file']} {given['month']} in {given.get('target')}"


@flow(name="run-step", flow_run_name=_run_name, timeout_seconds=6 * 3600, persist_result=False)
def run_step(
    file: StepFile,
    target: StepTargetName,
    month: MonthName,
    parameters: StepParameters = [],  # noqa: B006 - never changed
) -> StepReport:
    """Run a step: a file in SQL, Python or R, with the connections of the blocks.

    Its lines are the run's log, the files that it writes are artifacts, and it fails unless its exit code is 0. Unless
    its header names a table that it writes, its session in Postgres is read-only.

    Requires: the blocks (`python -m blocks.register`), and what the step itself needs, such as R.
    """
    with with_context(file, month), step_folder(file, target, month, parameters) as folder:
        report = run_file(file, target, month, parameters, folder)
        publish_step(report)
        if report.status == "failed":
            raise StepFailed(report.failure_sentence, report=report)
    return report
