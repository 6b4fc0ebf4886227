"""The stream beside the batch: the same rows and sums of a month, by pickup zone and hour."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows.decide.stream import StreamComparison
from flows.parameters import DatasetName, MonthName, TopicOrNone
from flows.tasks.policy import with_context
from flows.tasks.stream import compare_stream, topic_of
from flows.tlc.dataset import Dataset
from flows.tlc.errors import MonthsDiffer
from flows.tlc.month import Month
from flows.ui.stream import publish_stream


@flow(
    name="reconcile-stream",
    flow_run_name="reconcile stream of {dataset} {month}",
    timeout_seconds=24 * 3600,
    persist_result=False,
)
def reconcile_stream(dataset: DatasetName, month: MonthName, topic: TopicOrNone = None) -> StreamComparison:
    """Compare what a topic brought into Postgres with the same month in the lake, and fail if anything differs.

    Compared are rows, totals and distances by pickup zone and hour, of the events of this dataset and file's month.
    Nothing is changed anywhere.

    Requires: the blocks `tlc-lake` and `tlc-postgres` (`python -m blocks.register`).
    """
    started_at = datetime.now(UTC)
    dataset = Dataset(dataset)
    with with_context(str(dataset), month):
        comparison = compare_stream(dataset, Month.parse(month), topic_of(dataset, topic))
    comparison.seconds = round((datetime.now(UTC) - started_at).total_seconds(), 3)
    publish_stream(comparison, f"reconcile-stream-{dataset}-{month}")
    if comparison.differing:
        raise MonthsDiffer(comparison.sentence, report=comparison, dataset=str(dataset), month=month)
    return comparison
