"""Read a trip file, Parquet or CSV, as record batches: never the whole of it in memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from flows.extract.download.verify import GZIP_MAGIC, PARQUET_MAGIC
from flows.extract.read.csv_header import read_header
from flows.extract.read.csv_lines import field_count, lines_of, parse_lines, read_ahead, read_blocks, regular_lines
from flows.extract.read.parquet_bounds import check_footer, check_pages, check_rows, text_columns, written_out
from flows.tlc.errors import NotTripFile

# Rows of a batch: large enough that a kernel's fixed cost vanishes, small enough that a few of them in flight
# stay below 20 MB. 8,192 to 65,536 load equally fast (docs/decisions.md).
BATCH_ROWS = 16_384
# Bytes of uncompressed CSV that are parsed at a time: about 20,000 rows.
CSV_BLOCK_BYTES = 2 << 20


@dataclass(frozen=True)
class RaggedLine:
    """A line of a CSV file that is no row: which line it is if known, with the header as 1, and its text.

    It has more or fewer fields than the header; or None, if a stray quote leaves open where they end.
    """

    row_number: int | None
    fields: int | None
    expected: int
    text: str

    @property
    def problem(self) -> str:
        """What is wrong with it, in a few words."""
        return "a stray quote" if self.fields is None else f"{self.fields} fields, expected {self.expected}"


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

    Raises NotTripFile if that is no trip file; so do its ``batches`` if it cannot be read to its end.
    """
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        with ExitStack() as opened:
            with _reading(path):
                if magic == PARQUET_MAGIC:
                    trips: TripFile = _ParquetTrips(path, raw, opened.enter_context(_open_parquet(path)))
                else:
                    trips = _CsvTrips(path, raw, is_gzip=magic.startswith(GZIP_MAGIC), size=path.stat().st_size)
            yield trips


def _open_parquet(path: Path) -> pq.ParquetFile:
    metadata = pq.read_metadata(path)
    return pq.ParquetFile(
        path,
        metadata=metadata,
        read_dictionary=text_columns(metadata),
        arrow_extensions_enabled=False,  # texts marked as JSON would not be read as dictionaries
        pre_buffer=False,
        buffer_size=1 << 20,
        coerce_int96_timestamp_unit="us",  # nanoseconds end in 2262, and wrap: a trip of 3019 would be one of 1849
        page_checksum_verification=True,  # of the pages that have one
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise NotTripFile for what is wrong with the file's content, and only for that."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and error.errno is not None:
            raise  # the disk's error, not the file's
        raise NotTripFile(
            f"{path.name} cannot be read to its end ({_first_line(error)}). Run again to get it anew; if that is no "
            "help, it is damaged at the source."
        ) from error


@dataclass
class _ParquetTrips:
    path: Path
    raw: IO[bytes]
    file: pq.ParquetFile
    _rows_read: int = 0

    @property
    def column_names(self) -> list[str]:
        return list(self.file.schema_arrow.names)

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        check_footer(self.file)
        with _reading(self.path):
            for group in range(self.file.num_row_groups):
                check_pages(self.raw, self.file.metadata, group, BATCH_ROWS)
                yield from self._read_group(group)
        if self._rows_read != self.rows:  # checksums do not cover the footer, which says where the rows lie
            raise self._other_rows()

    def _other_rows(self, more: str = "") -> NotTripFile:
        return NotTripFile(
            f"{self.path.name} says that it has {self.rows:,} rows, and gives {self._rows_read:,}{more}. Run again to "
            "get it anew; if that is no help, it is damaged at the source."
        )

    def _read_group(self, group: int) -> Iterator[pa.RecordBatch]:
        # use_threads=False: the columns of one small batch are decoded faster than threads are woken, and the other
        # core belongs to the database.
        for batch in self.file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group], use_threads=False):
            self._rows_read += batch.num_rows
            if self._rows_read > self.rows:  # row groups may be the same pages, thousands of times
                raise self._other_rows(" or more")
            yield written_out(batch)

    def take_ragged(self) -> list[RaggedLine]:
        return []

    def fraction_read(self) -> float:
        return self._rows_read / self.rows if self.rows else 1.0


@dataclass
class _CsvTrips:
    """Values are read as bytes: ``flows.transform`` decides which of them fit their columns."""

    path: Path
    raw: IO[bytes]
    is_gzip: bool
    size: int
    rows: int | None = None
    column_names: list[str] = field(default_factory=list)
    _lines: int = 1  # read so far, without blank ones; the header is the first
    _ragged: list[RaggedLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Python's gzip checks length and CRC-32 at the end, as Arrow's decompressor does not.
        self._stream = gzip.GzipFile(fileobj=self.raw) if self.is_gzip else self.raw
        self.column_names, self._rest = read_header(self._stream)

    def batches(self) -> Iterator[pa.RecordBatch]:
        with _reading(self.path):
            for block in read_ahead(read_blocks(self._stream, self._rest, CSV_BLOCK_BYTES)):
                for batch in self._read_block(block):
                    check_rows(self._lines - 1)
                    yield batch

    def take_ragged(self) -> list[RaggedLine]:
        taken, self._ragged = self._ragged, []
        return taken

    def fraction_read(self) -> float:
        return min(1.0, self.raw.tell() / self.size) if self.size and not self.raw.closed else 1.0

    def _read_block(self, block: bytes) -> Iterator[pa.RecordBatch]:
        """The block as Arrow parses it, if that gives as many rows as it has lines; else line by line."""
        lines = regular_lines(block)
        batch = parse_lines(block, self.column_names, lines) if lines else None
        if batch is not None:
            self._lines += batch.num_rows
            yield from (batch.slice(start, BATCH_ROWS) for start in range(0, batch.num_rows, BATCH_ROWS))
        else:
            found = lines_of(block)
            while some := list(islice(found, BATCH_ROWS)):
                yield self._read_lines(some)

    def _read_lines(self, lines: list[bytes]) -> pa.RecordBatch:
        rows, expected = [], len(self.column_names)
        for line in lines:
            self._lines += 1
            fields = field_count(line)
            if fields == expected:
                rows.append(line)
            else:
                text = line.decode("utf-8", "backslashreplace")
                self._ragged.append(RaggedLine(self._lines, fields, expected, text))
        batch = parse_lines(b"".join(line + b"\n" for line in rows), self.column_names, len(rows))
        if batch is None:
            raise NotTripFile(
                f"{self.path.name} cannot be read without loss: {len(rows):,} of its lines up to number "
                f"{self._lines:,} are not as many rows. Report it with this file."
            )
        return batch


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
