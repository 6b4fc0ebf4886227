"""Load a table of raw rows as if it were a month's file, into the test's own database."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.extract.read.trip_file import open_trip_file
from flows.load.month_load import MonthLoad
from flows.load.postgres.locks import LockTimeouts
from flows.load.postgres.month import load_month
from flows.load.rejected_spill import rejected_spill
from flows.tlc.dataset import Dataset
from flows.tlc.identity import MonthRequest
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.schema import Schema, schema_of
from flows.transform.conform import plan_conform
from flows.transform.stream import TripStream


@dataclass
class HeldFile:
    """A trip file that gives its rows in small batches and, after the first, nothing until ``go`` is set."""

    file: Any
    batch_rows: int
    holds: bool = False
    fails_with: Exception | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.file.batches():
            for start in range(0, batch.num_rows, self.batch_rows):
                yield batch.slice(start, self.batch_rows)
                self.reached.set()
                if self.fails_with is not None:
                    raise self.fails_with
                if self.holds:
                    assert self.go.wait(60), "the test never let the load go on"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@dataclass
class Loader:
    """Loads into one database; a table's own content is its version at the source."""

    database: Any
    folder: Path

    def load(
        self,
        table: pa.Table,
        dataset: str = "green",
        month: str = "2020-12",
        *,
        force: bool = False,
        waiting: LockTimeouts | None = None,
        schema: Schema | None = None,
        new_columns: str = "fail",
        drop_rules: tuple[str, ...] = (),
        hold: HeldFile | None = None,
        batch_rows: int = 1_000,
        on_progress: Callable[[float], None] = lambda _fraction: None,
        source_url: str | None = None,
        started_at: datetime | None = None,
    ) -> LoadReport:
        path = self.folder / f"{dataset}_{month}_{threading.get_ident()}.parquet"
        pq.write_table(table, path)
        etag = hashlib.sha256(path.read_bytes()).hexdigest()
        request = MonthRequest(
            Dataset(dataset), Month.parse(month), drop_rules=frozenset(drop_rules), new_columns=new_columns
        )
        load = MonthLoad(
            request,
            "postgres",
            source_url or f"http://127.0.0.1/{path.name}",
            etag,
            started_at=started_at or datetime.now(UTC),
        )
        with ExitStack() as opened:
            file = opened.enter_context(open_trip_file(path))
            if hold is None:
                hold = HeldFile(file, batch_rows)
            else:
                hold.file = file
            rejected = opened.enter_context(rejected_spill())
            conformer = plan_conform(
                schema or schema_of(request.dataset), request.month, file.column_names, new_columns=new_columns
            )
            trips = TripStream(hold, conformer, rejected.write, request.drop_rules)
            connection = self.database.connect()
            opened.callback(connection.close)
            return load_month(connection, load, trips, rejected, force=force, waiting=waiting, on_progress=on_progress)

    def in_thread(self, table: pa.Table, *arguments: Any, **options: Any) -> Running:
        return Running(lambda: self.load(table, *arguments, **options))


class Running:
    """A load in a thread; ``result`` gives its report, or raises what it raised."""

    def __init__(self, work: Callable[[], LoadReport]):
        self._work = work
        self._outcome: LoadReport | BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._work()
        except BaseException as error:
            self._outcome = error

    def result(self, timeout: float = 60) -> LoadReport:
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the load hangs"
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        assert self._outcome is not None
        return self._outcome


@pytest.fixture
def loader(database: Any, tmp_path: Path) -> Loader:
    return Loader(database, tmp_path)


def held(batch_rows: int = 200, **options: Any) -> HeldFile:
    return HeldFile(None, batch_rows, **options)


@pytest.fixture
def hold() -> Callable[..., HeldFile]:
    return held
