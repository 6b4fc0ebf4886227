"""When a run that reads a topic ends, and what replaying, reading and comparing a stream came to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

# How long a topic is silent before it counts as idle, in seconds, if nothing else is said.
IDLE_SECONDS = 10.0
UNTIL_WORDS = "end, idle, a number of idle seconds, or a time as 2026-11-29T18:00:00Z"
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True)
class Until:
    """When to stop reading: at the topic's end, after seconds without events there, or at a time."""

    idle_seconds: float | None = None
    time: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Until:
        """Read one of ``UNTIL_WORDS``, a time without a zone as UTC; raises ValueError with these words."""
        text = text.strip()
        if text in ("end", "idle"):
            return cls(IDLE_SECONDS if text == "idle" else None)
        if _SECONDS.fullmatch(text):
            return cls(idle_seconds=float(text))
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} says no end: write {UNTIL_WORDS}") from None
        return cls(time=time if time.tzinfo else time.replace(tzinfo=UTC))

    def is_reached(self, *, at_end: bool, idle_seconds: float, now: datetime) -> bool:
        """Whether to stop; ``at_end``: every partition was read to its end since the run began."""
        if self.time is not None:
            return now >= self.time
        return at_end and idle_seconds >= (self.idle_seconds or 0.0)


class Disorder(BaseModel):
    """How a replay differs from a perfect one: shares of events, from 0 to 1."""

    doubled: float = Field(0, ge=0, le=1, description="sent twice")
    late: float = Field(0, ge=0, le=1, description="held back until trips an hour younger are sent")
    out_of_order: float = Field(0, ge=0, le=1, description="held back by up to a minute of the trips' time")

    def __bool__(self) -> bool:
        return bool(self.doubled or self.late or self.out_of_order)


class ReplayReport(BaseModel):
    """What a replay sent."""

    dataset: str
    month: str
    topic: str
    broker: str = ""
    trips: int = Field(0, description="Trips sent, each once or more often")
    doubled: int = Field(0, description="Trips sent a second time")
    late: int = Field(0, description="Trips held back by an hour of their own time")
    out_of_order: int = Field(0, description="Trips held back by up to a minute of their own time")
    seconds: float = 0.0
    status: Literal["replayed"] = "replayed"

    @property
    def sentence(self) -> str:
        odd = [f"{rows:,} {name}" for name in ("doubled", "late", "out_of_order") if (rows := getattr(self, name))]
        return f"{self.trips:,} trips sent to {self.topic}" + (f", of these {', '.join(odd)}" if odd else "")


class StreamReport(BaseModel):
    """What a run read of a topic: ``events_read == rows_loaded + rows_doubled + rows_rejected``."""

    topic: str
    broker: str = ""
    events_read: int = 0
    rows_loaded: int = 0
    rows_doubled: int = Field(0, description="Events that were in the table already, by their identity")
    rows_rejected: int = Field(0, description="Events that are no trips")
    rejected_by_rule: dict[str, int] = Field(default_factory=dict)
    rows_flagged: int = Field(0, description="Trips of these events that break at least one rule")
    flagged_by_rule: dict[str, int] = Field(default_factory=dict)
    batches: int = 0
    events_behind: int = Field(0, description="Events in the topic that were not read when the run ended")
    lag_seconds: float = Field(0.0, description="The longest time from sending an event to its commit")
    seconds: float = 0.0
    status: Literal["read", "nothing_new"] = "nothing_new"

    @property
    def sentence(self) -> str:
        return (
            f"{self.events_read:,} events of {self.topic}: {self.rows_loaded:,} loaded, {self.rows_doubled:,} doubled, "
            f"{self.rows_rejected:,} rejected"
        )


class StreamComparison(BaseModel):
    """A month in the stream beside the same month in the lake, by pickup zone and hour."""

    dataset: str
    month: str
    topic: str
    groups: int = Field(0, description="Pairs of zone and hour that either has")
    differing: int = Field(0, description="Those in which rows, amounts or distances differ")
    rows_in_stream: int = 0
    rows_in_lake: int = 0
    amounts_in_stream: float = Field(0.0, description="Sum of what passengers were charged, in US dollars")
    amounts_in_lake: float = 0.0
    examples: list[str] = Field(default_factory=list, description="What differs in the first of these")
    seconds: float = 0.0
    status: Literal["equal", "differs"] = "equal"

    @property
    def sentence(self) -> str:
        if not self.differing:
            return (
                f"{self.topic} has what the lake has: {self.rows_in_lake:,} trips, ${self.amounts_in_lake:,.2f}, "
                f"the same in {self.groups:,} zones and hours"
            )
        return (
            f"{self.topic} differs from the lake in {self.differing:,} of {self.groups:,} zones and hours "
            f"({self.rows_in_stream:,} trips, not {self.rows_in_lake:,}): {'; '.join(self.examples)}. If it has too "
            "few, read the topic to its end with stream_to_postgres, or replay the month again; if too many, the topic "
            "has another version of the month too: replay into a topic of another name"
        )
