"""One load of one month, whatever the target: which file, and what its report says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from flows.tlc.errors import CheckFailed, NewerLoad
from flows.tlc.identity import MonthRequest
from flows.tlc.report import LoadReport, Target
from flows.transform.stream import Counts


@dataclass(frozen=True)
class MonthLoad:
    """Which file is loaded where, and what its report and the ledger say beside the counts.

    ``rechecked_at`` is when the source was asked again, if the download brought another version than the flow had
    found. The target keeps ``source_checked_at``, to tell which of two loads asked later.
    """

    request: MonthRequest
    target: Target
    source_url: str
    source_etag: str
    bytes_read: int = 0
    flow_run_id: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    rechecked_at: datetime | None = None

    @property
    def content_key(self) -> str:
        return self.request.content_key(self.source_etag)

    @property
    def source_checked_at(self) -> datetime:
        return self.rechecked_at or self.started_at

    def is_outdated_by(self, source_url: str, source_etag: str | None, checked_at: datetime | None) -> bool:
        """Whether the load that the target has asked for the same file later, and found another version of it.

        A time after this very moment comes from a clock that runs ahead, and says nothing of the order.
        """
        return (
            source_url == self.source_url
            and source_etag != self.source_etag
            and checked_at is not None
            and self.source_checked_at < checked_at <= datetime.now(UTC)
        )

    def refuse_empty(self, counts: Counts) -> None:
        """Raise CheckFailed if no row is left to load: replacing a month by nothing needs ``force``."""
        if counts.nothing_loaded:
            raise CheckFailed(
                f"{counts.nothing_loaded}, expected trips; the month is as it was. Look at what {self.source_url} has; "
                "force=True puts the month in without a row."
            )

    def newer(self, source_etag: str | None) -> NewerLoad:
        """The error for an outdated load, whose version would replace a newer one."""
        return NewerLoad(
            f"while this load of version {self.source_etag} of {self.source_url} was under way, one that began later "
            f"has put in version {source_etag}, and that stays. Run again: the source is asked anew for its version."
        )

    def report(self, counts: Counts) -> LoadReport:
        """What the load did, up to now."""
        return LoadReport(
            dataset=str(self.request.dataset),
            month=str(self.request.month),
            target=self.target,
            source_url=self.source_url,
            source_etag=self.source_etag,
            rows_read=counts.rows_read,
            rows_loaded=counts.rows_loaded,
            rows_rejected=counts.rows_rejected,
            rejected_by_rule=dict(counts.rejected),
            rows_flagged=counts.rows_flagged,
            flagged_by_rule=dict(counts.flagged),
            bytes_read=self.bytes_read,
            seconds=round((datetime.now(UTC) - self.started_at).total_seconds(), 3),
            source=self.request.source,
            drop_rules=sorted(self.request.drop_rules),
            new_columns=self.request.new_columns,
        )
