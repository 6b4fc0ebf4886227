"""Lake → topic: a month of trips as timed events."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows.decide.stream import Disorder, ReplayReport
from flows.parameters import DatasetName, EventLimit, MonthName, Share, Speed, TopicOrNone
from flows.tasks.policy import with_context
from flows.tasks.stream import replay_month, topic_of, version_of_month
from flows.tlc.dataset import Dataset
from flows.tlc.errors import ParameterError
from flows.tlc.month import Month
from flows.ui.stream import publish_stream


@flow(
    name="replay-trips",
    flow_run_name="replay {dataset} {month}",
    timeout_seconds=32 * 24 * 3600,  # a month at its own pace
    persist_result=False,
)
def replay_trips(
    dataset: DatasetName,
    month: MonthName,
    topic: TopicOrNone = None,
    speed: Speed = 0,
    limit: EventLimit = None,
    doubled: Share = 0,
    late: Share = 0,
    out_of_order: Share = 0,
) -> ReplayReport:
    """Send a month of the lake's trips to a topic, as events in the order of their pickups.

    An event is JSON with the conformed names; its key is the pickup zone, its time the pickup (New York wall-clock time
    as if it were UTC; at most now). Each trip has the same `event_id` in every replay of the month, so that a replay
    that was broken off is simply run again. With `doubled`, `late` and `out_of_order` some events are sent as no reader
    likes them; the report counts them.

    Requires: the month in the lake, and the blocks `tlc-lake` and `tlc-events` (`python -m blocks.register`).
    """
    started_at = datetime.now(UTC)
    dataset = Dataset(dataset)
    with with_context(str(dataset), month):
        if late + out_of_order > 1:
            raise ParameterError("late and out_of_order are shares of the same events: together they are at most 1.")
        disorder = Disorder(doubled=doubled, late=late, out_of_order=out_of_order)
        which = dataset, Month.parse(month)
        version = version_of_month(*which)  # once: a retry must not go on with another
        report = replay_month(*which, version, topic_of(dataset, topic), speed, limit, disorder)
    report.seconds = round((datetime.now(UTC) - started_at).total_seconds(), 3)
    publish_stream(report, f"replay-{dataset}-{month}")
    return report
