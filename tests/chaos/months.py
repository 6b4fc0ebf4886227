"""Made-up months in several versions, and what each has to be in a target, by Arrow alone from the source's file."""

from __future__ import annotations

import io
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import make_month, write_csv_gz
from flows.tlc.dataset import Dataset, Source
from flows.tlc.locations import month_path
from flows.tlc.month import Month

VERSIONS = 6
MONTHS = [(Dataset.green, Month(2025, number)) for number in (9, 10, 11)]
MONTHS += [(Dataset.yellow, Month(2025, number)) for number in (10, 11)]
HOMEWORK = (Dataset.green, Month(2020, 10))
PICKUPS = {Dataset.green: "lpep_pickup_datetime", Dataset.yellow: "tpep_pickup_datetime"}


class Sums(NamedTuple):
    """What tells a version of a month from every other, and from a part or a mixture of two."""

    rows: int
    cents: int
    hundredths: int  # of a mile


def sums_of(table: pa.Table) -> Sums:
    """Of rows as a target has them, or a file."""
    return Sums(table.num_rows, _hundredths(table["total_amount"]), _hundredths(table["trip_distance"]))


def _hundredths(column: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.round(pc.multiply(pc.cast(column, pa.float64()), 100.0))).as_py() or 0)


@dataclass
class Months:
    """The months at the site; ``versions`` are those that a target may have: what was ever published."""

    site: TripSite
    files: dict[str, list[bytes]] = field(default_factory=dict)
    versions: dict[tuple[Dataset, Month], set[Sums]] = field(default_factory=lambda: defaultdict(set))
    current: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, seed: int, folder: Path) -> None:
        """Make all versions of all months, and publish the first of each."""
        dice = random.Random(seed)
        for dataset, month in MONTHS:
            self.files[path_of(dataset, month)] = [
                make_parquet(dataset, month, dice.randint(2_000, 8_000), version, dice) for version in range(VERSIONS)
            ]
        self.files[path_of(*HOMEWORK)] = [
            _csv(folder / "homework.csv.gz", dice.randint(2_000, 5_000), version) for version in range(VERSIONS)
        ]
        for dataset, month in (*MONTHS, HOMEWORK):
            self.publish(dataset, month, dice)

    def publish(self, dataset: Dataset, month: Month, dice: random.Random) -> None:
        """Put another version of the month in the place of what the site has."""
        with self._lock:
            self.site.put(path_of(dataset, month), self.announce(dataset, month, dice))

    def announce(self, dataset: Dataset, month: Month, dice: random.Random) -> bytes:
        """A version that the site is about to have: from now on a target may have it."""
        content = dice.choice(self.files[path_of(dataset, month)])
        self.versions[dataset, month].add(source_sums(dataset, month, content))
        return content

    def published(self, dataset: Dataset, month: Month) -> Sums:
        """Of the file that the site has now, as a client is given it."""
        reply = self.site._find(path_of(dataset, month))
        assert reply is not None
        return source_sums(dataset, month, b"".join(reply.pieces(0, reply.length)))


def path_of(dataset: Dataset, month: Month) -> str:
    """The homework's month is the mirror's, the others TLC's."""
    return month_path(dataset, month, Source.mirror if (dataset, month) == HOMEWORK else Source.tlc)


def source_sums(dataset: Dataset, month: Month, content: bytes) -> Sums:
    """The rows of the file that are to be loaded: those with a pickup time; of the homework, those it keeps."""
    if (dataset, month) == HOMEWORK:
        with pa.input_stream(pa.BufferReader(content), compression="gzip") as text:
            table = pyarrow.csv.read_csv(text)
        table = table.filter(pc.and_(pc.greater(table["passenger_count"], 0), pc.greater(table["trip_distance"], 0)))
    else:
        table = pq.read_table(io.BytesIO(content))
    return sums_of(table.filter(pc.is_valid(table[PICKUPS[dataset]])))


def make_parquet(dataset: Dataset, month: Month, rows: int, version: int, dice: random.Random) -> bytes:
    """Some of the rows have no pickup time and have to be rejected: fewer than 1 %, which is the most for a month."""
    table = make_month(dataset, month, rows, seed=version, anomalies=False)
    bad = set(dice.sample(range(rows), dice.randint(1, rows // 200)))
    name = PICKUPS[dataset]
    pickups = [None if row in bad else value for row, value in enumerate(table[name].to_pylist())]
    position = table.column_names.index(name)
    table = table.set_column(position, table.schema.field(name), pa.array(pickups, table.schema.field(name).type))
    written = io.BytesIO()
    pq.write_table(table, written, row_group_size=1_000)
    return written.getvalue()


def _csv(path: Path, rows: int, version: int) -> bytes:
    write_csv_gz(*HOMEWORK, path, rows, seed=version)
    return path.read_bytes()
