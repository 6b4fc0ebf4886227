"""What a run shows in the UI: a progress bar while it loads, then one summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.tlc.dataset import Dataset
from flows.tlc.locations import SCHEMA, trips_table
from flows.tlc.report import LoadReport
from flows.tlc.rules import UNLOADABLE, rules
from flows.tlc.visible import in_markdown
from flows.ui.artifacts import show_markdown
from flows.ui.progress import tell_progress

# Seconds between two updates of a progress bar: each costs the load some 20 ms.
PROGRESS_SECONDS = 2.0


class ProgressBar:
    """A progress artifact, made at the first update, so that a short load has none of its cost.

    What cannot be shown once is not tried again: a server that is busy or gone takes two minutes to say so.
    """

    def __init__(self, description: str):
        self._description = description
        self._artifact: UUID | None = None
        self._is_watched = self._is_shown = True
        self._due = time.monotonic() + PROGRESS_SECONDS

    def update(self, fraction: float) -> None:
        """Show ``fraction`` (0 to 1), unless the last update is less than ``PROGRESS_SECONDS`` old."""
        self._tell(fraction)
        if time.monotonic() < self._due:
            return
        self._show(round(fraction * 100, 1))
        self._due = time.monotonic() + PROGRESS_SECONDS

    def finish(self) -> None:
        """Show that all is done, if anything was shown before."""
        self._tell(1.0)
        if self._artifact is not None:
            self._show(100.0)

    def _tell(self, fraction: float) -> None:
        self._is_watched = self._is_watched and _could(lambda: tell_progress(self._description, fraction))

    def _show(self, percent: float) -> None:
        self._is_shown = self._is_shown and _could(lambda: self._draw(percent))

    def _draw(self, percent: float) -> None:
        if self._artifact is None:
            created = create_progress_artifact(percent, description=self._description)
            self._artifact = created if isinstance(created, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent)


def _could(show: Callable[[], None]) -> bool:
    """Whether it was shown; a warning in the log if not."""
    with best_effort("The progress bar stays as it is; the load is not affected"):
        show()
        return True
    return False


@contextmanager
def best_effort(otherwise: str) -> Iterator[None]:
    """Let no failure to show or tell something fail what was done: log ``otherwise`` and why instead."""
    try:
        yield
    except Exception as error:
        get_run_logger().warning("%s: %s: %s", otherwise, type(error).__name__, error)


def publish_report(report: LoadReport, place: str, key: str | None = None) -> None:
    """The load's summary: counts, rows by rule, place. ``place`` says where the rows are, ``key`` is the artifact's."""
    show_markdown(_summary(report, place), key or f"{report.dataset}-{report.month}-{report.target}", _sentence(report))


def _sentence(report: LoadReport) -> str:
    """What is read at a glance in a list of artifacts."""
    return f"{report.status}: {report.rows_loaded:,} of {report.rows_read:,} rows"


def _summary(report: LoadReport, place: str) -> str:
    speed = f", {report.rows_per_second:,.0f} rows/s" if report.seconds else ""
    return f"""## {report.dataset} {report.month} → {report.target}: {report.status}

| | |
| --- | ---: |
| read | {report.rows_read:,} rows |
| loaded | {report.rows_loaded:,} rows |
| rejected | {report.rows_rejected:,} rows |
| flagged (loaded all the same) | {report.rows_flagged:,} rows |
| downloaded | {report.bytes_read / 1e6:,.1f} MB |
| time | {report.seconds:,.1f} s{speed} |

{f"Look at it: {in_markdown(report.warning)}." if report.warning else ""}

Where: {place}

From: {in_markdown(report.source_url)} ({in_markdown(report.source_etag or "no version")})
{_query(report)}{_rules_table(report)}"""


# What ``python -m flows query`` calls the targets, and who else takes the same SQL.
_QUERY_TARGETS = {
    "postgres": ("postgres", "psql or any client of the database"),
    "gcs": ("lake", None),
    "bigquery": ("warehouse", "the warehouse's own console"),
}


def _query(report: LoadReport) -> str:
    """A question to copy, in the words of the target; nothing for what is no month of a dataset."""
    if report.dataset not in list(Dataset) or report.status == "not_published":
        return ""
    name, elsewhere = _QUERY_TARGETS[report.target]
    table = f"{SCHEMA}.{trips_table(Dataset(report.dataset))}"
    sql = (
        f"select pu_location_id, count(*) as trips from {table} "  # noqa: S608 - shown, not run
        f"where source_month = date '{report.month}-01' group by pu_location_id order by trips desc limit 10"
    )
    return f"""
Where did they begin?{f" (The SQL is for {elsewhere}, too.)" if elsewhere else ""}

```
python -m flows query --target {name} "{sql}"
```
"""


def _rules_table(report: LoadReport) -> str:
    """The rows by the rule that they break, the rejected ones first; nothing if all rows keep all rules."""
    meaning = {rule.name: rule.description for rule in rules()} | UNLOADABLE
    outcomes = (("rejected", report.rejected_by_rule), ("flagged", report.flagged_by_rule))
    lines = [
        f"| {rule} | {outcome} | {rows:,} | {meaning.get(rule, '')} |"
        for outcome, counts in outcomes
        for rule, rows in counts.items()
    ]
    return (
        "\n".join(["", "| rule | outcome | rows | meaning |", "| --- | --- | ---: | --- |", *lines, ""])
        if lines
        else ""
    )
