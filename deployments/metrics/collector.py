"""The page's values: kept for a while, read in the background, and never older than they may be.

A part is read anew after half of the time that its values count, so that a slow one leaves no gap: an alert that waits
would begin to wait again. A page waits for at most ``WAIT_SECONDS`` for a part that has no values. If it has not
answered by then, or has failed for that long, it is ``tlc_up`` 0, and none of its metrics are there. It is read on in
its thread, of which there is one at most.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from deployments.metrics.parts import Part
from deployments.metrics.samples import READ_AT, UP, Sample, families

# Less than a container's health check waits, and than the 10 s of Prometheus.
WAIT_SECONDS = 4.0
_LOG = logging.getLogger(__name__)


class PartsCollector(Collector):
    """The samples of ``parts``, and ``always``, at each scrape."""

    def __init__(
        self,
        parts: Sequence[Part],
        always: Sequence[Sample] = (),
        wait: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._readers = [_Reader(part, clock) for part in parts]
        self._always = list(always)
        self._wait = wait

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What is known now, after reading what is not known any more."""
        deadline = time.monotonic() + self._wait
        for reader in self._readers:
            reader.start()
        samples = list(self._always)
        for reader in self._readers:
            samples += reader.samples(deadline)
        return families(samples)


class _Reader:
    """Reads one part, and keeps its values."""

    def __init__(self, part: Part, clock: Callable[[], float]):
        self._part = part
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._kept: list[Sample] = []
        self._read_at = -math.inf
        self._said = ""

    def start(self) -> None:
        """Read in the background, unless the values are young or are being read."""
        with self._lock:
            if self._age() < self._part.seconds / 2 or (self._thread and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._read, name=f"read {self._part.name}", daemon=True)
            self._thread.start()

    def samples(self, deadline: float) -> list[Sample]:
        """The values, and that the part is up; or that it is not."""
        if self._thread and self._age() >= self._part.seconds:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        is_up = self._age() < self._part.seconds
        return [UP.sample(is_up, self._part.name), *(self._kept if is_up else ())]

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _read(self) -> None:
        begun = self._clock()
        try:
            read = self._part.read()
        except Exception as error:  # whatever it is, the other parts are shown
            self._say(f"{type(error).__name__}: {error}")
            return
        self._say("")
        self._kept = [READ_AT.sample(time.time(), self._part.name), *read]
        self._read_at = begun

    def _say(self, error: str) -> None:
        """Log why the part cannot be read, once as long as it is the same."""
        if error and error != self._said:
            _LOG.warning("%s cannot be read: %s", self._part.name, " ".join(error.split()))
        self._said = error
