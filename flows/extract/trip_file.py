"""Read a trip file, Parquet or CSV, as record batches: never the whole of it in memory."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from flows.extract.csv_lines import EscapedLines
from flows.tlc.errors import NotTripFile

# Rows of a batch: large enough that a kernel's fixed cost vanishes, small enough that a few of them in flight
# stay below 20 MB. 8,192 to 65,536 load equally fast (docs/decisions.md).
BATCH_ROWS = 16_384
# Bytes of uncompressed CSV that are parsed at a time: about 20,000 rows.
CSV_BLOCK_BYTES = 2 << 20
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class RaggedLine:
    """A line of a CSV file with more or fewer fields than its header: which row it is where known, and its text."""

    row_number: int | None
    fields: int
    expected: int
    text: str


class TripFile(Protocol):
    """An open trip file. ``rows`` is known for Parquet only; ``fraction_read`` grows from 0 to 1."""

    @property
    def column_names(self) -> list[str]:
        """The header, as the source wrote it."""
        ...

    @property
    def rows(self) -> int | None:
        """How many rows the file says it has."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in file order, under the source's own column names."""
        ...

    def take_ragged(self) -> list[RaggedLine]:
        """The ragged lines met since the last call."""
        ...

    def fraction_read(self) -> float:
        """How much of the file has been read, between 0 and 1."""
        ...


@contextmanager
def open_trip_file(path: Path) -> Iterator[TripFile]:
    """Open ``path`` by what it holds, whatever its name.

    Raises NotTripFile where that is no trip file; so do its ``batches`` where it cannot be read to its end.
    """
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        with ExitStack() as opened:
            with _reading(path):
                if magic == PARQUET_MAGIC:
                    file = opened.enter_context(pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20))
                    trips: TripFile = _ParquetTrips(path, file)
                else:
                    trips = _CsvTrips(path, raw, is_gzip=magic.startswith(GZIP_MAGIC), size=path.stat().st_size)
            yield trips


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise NotTripFile for what is wrong with the file's content, and only for that: see where it is used."""
    try:
        yield
    except (pa.ArrowInvalid, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and error.errno is not None:
            raise  # the disk's error, not the file's
        raise NotTripFile(
            f"{path.name} cannot be read to its end ({_first_line(error)}). Run again to get it anew; if that is no "
            "help, it is damaged at the source."
        ) from error


@dataclass
class _ParquetTrips:
    path: Path
    file: pq.ParquetFile
    _rows_read: int = 0

    @property
    def column_names(self) -> list[str]:
        return list(self.file.schema_arrow.names)

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        # use_threads=False: the columns of one small batch are decoded faster than threads are woken, and the other
        # core belongs to the database.
        with _reading(self.path):
            for batch in self.file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                self._rows_read += batch.num_rows
                yield batch

    def take_ragged(self) -> list[RaggedLine]:
        return []

    def fraction_read(self) -> float:
        return self._rows_read / self.rows if self.rows else 1.0


@dataclass
class _CsvTrips:
    """Values are read as the bytes that stand there: which of them fit their columns is conform's to decide."""

    path: Path
    raw: IO[bytes]
    is_gzip: bool
    size: int
    rows: int | None = None
    column_names: list[str] = field(default_factory=list)
    _ragged: list[RaggedLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.column_names = self._read_header()

    def batches(self) -> Iterator[pa.RecordBatch]:
        with _reading(self.path):
            for batch in self._open_csv():
                yield from (batch.slice(start, BATCH_ROWS) for start in range(0, batch.num_rows, BATCH_ROWS))

    def take_ragged(self) -> list[RaggedLine]:
        taken, self._ragged = self._ragged, []
        return taken

    def fraction_read(self) -> float:
        return min(1.0, self.raw.tell() / self.size) if self.size and not self.raw.closed else 1.0

    def _open_csv(self) -> pa_csv.CSVStreamingReader:
        return pa_csv.open_csv(
            EscapedLines(self._text_stream(), len(self.column_names)),
            read_options=pa_csv.ReadOptions(
                column_names=self.column_names, skip_rows=1, block_size=CSV_BLOCK_BYTES, use_threads=False
            ),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=self._note_ragged),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.binary() for name in self.column_names},
                null_values=[""],  # Arrow's own list has "NA" and "null", which are values here
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    def _read_header(self) -> list[str]:
        line = self._text_stream().readline(1 << 16)
        self.raw.seek(0)
        try:
            names = next(csv.reader(io.StringIO(line.decode("utf-8-sig"))), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise NotTripFile(f"the file is neither Parquet nor CSV: it starts with {line[:40]!r}.") from error
        return [name.strip() for name in names]

    def _text_stream(self) -> Any:
        # Python's gzip checks length and CRC-32 at the end, as Arrow's decompressor does not.
        return gzip.GzipFile(fileobj=self.raw) if self.is_gzip else self.raw

    def _note_ragged(self, row: pa_csv.InvalidRow) -> str:
        self._ragged.append(RaggedLine(row.number, row.actual_columns, row.expected_columns, row.text or ""))
        return "skip"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
