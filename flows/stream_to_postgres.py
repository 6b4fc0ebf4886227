"""Topic → Postgres: events into ``tlc_stream.trips``, each once."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from prefect import flow

from flows.decide.stream import StreamReport, Until
from flows.parameters import FromStart, TopicName, UntilText
from flows.tasks.policy import with_context
from flows.tasks.stream import stream_into_postgres
from flows.ui.stream import publish_stream


@flow(
    name="stream-to-postgres",
    flow_run_name="{topic} → postgres",
    timeout_seconds=32 * 24 * 3600,  # as long as a replay
    persist_result=False,
)
def stream_to_postgres(topic: TopicName, until: UntilText = "end", from_start: FromStart = False) -> StreamReport:
    """Load a topic's events into `tlc_stream.trips`, each exactly once, from where the last run ended.

    Events are conformed and checked like a month's file, in micro-batches: each is one transaction with the offsets, in
    `tlc_stream.offsets`, up to which the topic is read. So a run that is killed, or two at once, neither lose an event
    nor load it twice; what is sent again is known by its `event_id`. What is no trip is kept in
    `tlc_stream.rejected_events` with the reason.

    Requires: the blocks `tlc-postgres` and `tlc-events` (`python -m blocks.register`).
    """
    started_at = datetime.now(UTC)
    report = StreamReport(topic=topic)
    with with_context(topic):
        try:
            stream_into_postgres(topic, Until.parse(until), from_start, report)
        finally:  # what was committed stays, however the run ends
            report.seconds = round((datetime.now(UTC) - started_at).total_seconds(), 3)
            publish_stream(report, re.sub("[^a-z0-9]+", "-", f"stream {topic}".lower()))
    return report
