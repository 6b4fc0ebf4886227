"""``python -m tests.benchmarks.stream``: trips of the lake through the embedded broker into Postgres.

Prints what is promised and what was measured, and keeps the samples in ``results/stream.json``.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from blocks.embedded_broker import start_broker, stop_broker
from flows.load.stream.broker import Broker
from tests.benchmarks.inputs import MONTH, month_file
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import Target, at_most, conclude
from tests.benchmarks.run import Sample, run_contender, say
from tests.benchmarks.services import Services, services

RESULTS = Path(__file__).parent / "results" / "stream.json"
EVENTS = 100_000
# Trips at a steady speed, and how many a second.
STEADY_EVENTS, EVENTS_A_SECOND = 30_000, 2_000
# A reader that waits for a replay's first event.
UNTIL = "10"


def main() -> int:
    """0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stream", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000, help="rows of the month in the lake")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    with services() as running:
        facts = machine_facts(running.postgres_url)
        running.serve(month_file(options.rows))
        run_contender(running, "lake_flow", MONTH)
        try:
            broker = start_broker(running.folder / "events")
            samples = {
                "together": _together(running, broker, "together", EVENTS, 0),
                "whole month": _together(running, broker, "whole", options.rows, 0),
            }
            speed = _speed_of(options.rows)
            samples["steady"] = _together(running, broker, "steady", STEADY_EVENTS, speed)
        finally:
            stop_broker(running.folder / "events")
    return conclude(_targets(samples, options.rows), options.output, rows=options.rows, machine=facts, samples=samples)


def _together(running: Services, broker: str, topic: str, events: int, speed: float) -> dict[str, Sample]:
    """A reader and a replay, side by side."""
    Broker(broker).ensure_topic(topic)
    read: list[Sample] = []
    reader = threading.Thread(
        target=lambda: read.append(run_contender(running, "stream", "read", broker, topic, UNTIL))
    )
    reader.start()
    sent = run_contender(running, "stream", "replay", broker, topic, str(events), str(speed))
    reader.join()
    (got,) = read
    assert got["rows"] == events or topic == "whole", got
    seconds = got["finished"] - sent["begun"]
    say(f"{topic}: {got['rows']:,} events in {seconds:.2f} s, lag at most {got['lag_seconds']:.2f} s")
    return {"replay": sent, "read": got | {"seconds": seconds}}


def _speed_of(rows: int) -> float:
    """How many times faster than they were trips come at the wanted number a second, by the month's mean."""
    return EVENTS_A_SECOND * 31 * 86_400 / rows


def _targets(samples: dict[str, dict[str, Sample]], rows: int) -> list[Target]:
    def peak(name: str, side: str) -> float:
        return float(samples[name][side]["peak_memory_bytes"]) / 1e6

    events = f"{EVENTS:,} events"
    return [
        at_most(f"{events}, lake → broker → Postgres", samples["together"]["read"]["seconds"], 5, " s"),
        at_most(f"longest lag at {EVENTS_A_SECOND:,} events/s", samples["steady"]["read"]["lag_seconds"], 2, " s"),
        *(
            at_most(f"peak memory of the {who}, {what}", peak(name, side), 300, " MB")
            for side, who in (("read", "reader"), ("replay", "replay"))
            for name, what in (("together", events), ("whole month", f"{rows:,} events"))
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
