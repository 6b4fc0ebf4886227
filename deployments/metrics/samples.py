"""The metrics, each declared once, and their values from plain ones. Pure: what reads them is in ``parts``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from prometheus_client.core import GaugeMetricFamily

from flows.decide.plan import LoadedMonth
from flows.tlc.month import Month, newest_month

DAY = timedelta(days=1)
_NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Metric:
    """A gauge: its name, what it says in a sentence, and its labels in order."""

    name: str
    says: str
    labels: tuple[str, ...] = ()

    def sample(self, value: float, *labels: str) -> Sample:
        """A value of it, for these values of the labels."""
        assert len(labels) == len(self.labels), self.name
        return Sample(self, labels, float(value))


@dataclass(frozen=True)
class Sample:
    """One line of the page."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


_MONTHS = ("dataset", "target")
BUILD_INFO = Metric("tlc_build_info", "1; the versions are its labels.", ("version", "prefect_version"))
UP = Metric("tlc_up", "Whether this part could be read; if not, its metrics are left out.", ("part",))
READ_AT = Metric("tlc_read_timestamp_seconds", "When the values of this part were read.", ("part",))
MONTHS_BEHIND = Metric(
    "tlc_months_behind",
    "Months from the newest loaded one to the newest that TLC can have published: the one before last. TLC may be "
    "three months later.",
    _MONTHS,
)
MONTHS_LOADED = Metric("tlc_months_loaded", "Months that are loaded.", _MONTHS)
ROWS_LOADED = Metric("tlc_rows_loaded", "Rows of these months.", _MONTHS)
ROWS_LAST_DAY = Metric("tlc_rows_loaded_last_day", "Rows of the months loaded in the last 24 hours.", _MONTHS)
LAST_LOAD_AT = Metric("tlc_last_load_timestamp_seconds", "When the last load ended.", _MONTHS)
LAST_LOAD_SECONDS = Metric("tlc_last_load_seconds", "How long the last load took.", _MONTHS)
MEDIAN_LOAD_SECONDS = Metric("tlc_median_load_seconds", "Median over the last load of each month.", _MONTHS)
MODELS_BUILT_AT = Metric(
    "tlc_models_built_timestamp_seconds", "When a month of the models was last built; none before.", ("target",)
)
FAILED_RUNS = Metric(
    "tlc_failed_runs_last_day", "Runs of the last 24 hours that failed or crashed.", ("deployment", "state")
)
LATE_RUNS = Metric("tlc_late_runs", "Runs that are due, and that no worker has taken.", ("deployment",))
RECONCILED_AT = Metric(
    "tlc_reconcile_timestamp_seconds", "When `reconcile` last compared months; none before.", ("dataset",)
)
RECONCILED_MONTHS = Metric("tlc_reconcile_months", "Months that it compared.", ("dataset",))
RECONCILE_DIFFERING = Metric("tlc_reconcile_differing_months", "Months of these that differ.", ("dataset",))
DISK_FREE = Metric("tlc_disk_free_bytes", "Free space where the data is (`TLC_LOCAL_DIR`).")
DISK_SIZE = Metric("tlc_disk_size_bytes", "Size of that disk.")

METRICS = (
    BUILD_INFO, UP, READ_AT,
    MONTHS_BEHIND, MONTHS_LOADED, ROWS_LOADED, ROWS_LAST_DAY, LAST_LOAD_AT, LAST_LOAD_SECONDS, MEDIAN_LOAD_SECONDS,
    MODELS_BUILT_AT, FAILED_RUNS, LATE_RUNS, RECONCILED_AT, RECONCILED_MONTHS, RECONCILE_DIFFERING,
    DISK_FREE, DISK_SIZE,
)  # fmt: skip


def of_loads(dataset: str, target: str, loads: Mapping[str, LoadedMonth], now: datetime) -> Iterator[Sample]:
    """What a target has of a dataset: the last load of each month whose rows are all there. Nothing if none."""
    there = {month: load for month, load in loads.items() if load.is_intact}
    if not there:
        return
    last = max(there.values(), key=lambda load: load.loaded_at)
    recent = [load for load in there.values() if load.loaded_at > now - DAY]
    values = {
        MONTHS_BEHIND: months_behind(max(there), now),
        MONTHS_LOADED: len(there),
        ROWS_LOADED: _rows(there.values()),
        ROWS_LAST_DAY: _rows(recent),
        LAST_LOAD_AT: last.loaded_at.timestamp(),
        LAST_LOAD_SECONDS: last.report.seconds,
        MEDIAN_LOAD_SECONDS: median(load.report.seconds for load in there.values()),
    }
    for metric, value in values.items():
        yield metric.sample(value, dataset, target)


def months_behind(newest_loaded: str, now: datetime) -> int:
    """Months from the newest loaded one (YYYY-MM) to the newest that TLC can have by ``now``; 0 if it is ahead."""
    loaded, possible = Month.parse(newest_loaded), newest_month(now.astimezone(_NEW_YORK))
    return max(0, (possible.year - loaded.year) * 12 + possible.number - loaded.number)


def of_counts(metric: Metric, counts: Mapping[str, int], *labels: str) -> list[Sample]:
    """A value for each deployment, 0 among them; ``labels`` are the metric's others."""
    return [metric.sample(number, deployment, *labels) for deployment, number in counts.items()]


def of_comparison(dataset: str, compared_at: datetime, months: int, differing: int) -> list[Sample]:
    """What the last reconciliation of a dataset compared and found."""
    return [
        RECONCILED_AT.sample(compared_at.timestamp(), dataset),
        RECONCILED_MONTHS.sample(months, dataset),
        RECONCILE_DIFFERING.sample(differing, dataset),
    ]


def families(samples: Iterable[Sample]) -> Iterator[GaugeMetricFamily]:
    """The samples as Prometheus' client wants them: by metric, in the order of METRICS."""
    found: dict[Metric, GaugeMetricFamily] = {}
    for sample in samples:
        metric = sample.metric
        family = found.setdefault(metric, GaugeMetricFamily(metric.name, metric.says, labels=metric.labels))
        family.add_metric(sample.labels, sample.value)
    yield from (found[metric] for metric in METRICS if metric in found)


def _rows(loads: Iterable[LoadedMonth]) -> int:
    return sum(load.report.rows_loaded for load in loads)
