"""What no Parquet file of trips comes near: bounds on what a few compressed kilobytes may become in memory.

None relies on what the footer says of sizes. Texts are read as dictionaries, for one long value may stand in every row:
they are written out only if a batch of them has a size that trips have. What a batch is made of, whole pages, is added
up before a row group is read, which is why batches never reach over row groups.
"""

from __future__ import annotations

from collections import Counter
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.extract.read.parquet_pages import Page, read_pages
from flows.tlc.errors import NotTripFile

# Ten times those of the largest file in flows/tlc/catalogue.csv: fhv 2018-12 has 23,904,082.
MOST_ROWS = 250_000_000
# The widest file has 25.
MOST_COLUMNS = 500
# Of the pages that are in memory for one batch: 25 columns with a dictionary and two pages, of 1 MiB each, have 75 MiB.
PAGE_BYTES = 128 << 20
# Of one row's texts on average. Texts of trips have 1 to 8 bytes; small groups may have a long one.
ROW_BYTES = 4 << 10
SPARE_BYTES = 8 << 20
# PLAIN, RLE, dictionaries of either version, and bytes split by place. The others may say in a few bytes how many
# gigabytes they become.
_ENCODINGS = {0, 2, 3, 8, 9}
_LOOK = "no trip file has as many. Look at what the source delivers."


def check_footer(file: pq.ParquetFile) -> None:
    """Raise NotTripFile if the file announces more than any trip file has, or values that cannot be bounded."""
    metadata = file.metadata
    check_rows(metadata.num_rows)
    if metadata.num_columns > MOST_COLUMNS:
        raise NotTripFile(f"the file has {metadata.num_columns:,} columns: {_LOOK}")
    fixed_bytes = 0
    for place in range(metadata.num_columns):
        column = metadata.schema.column(place)
        if column.max_repetition_level or column.path != column.name:
            raise NotTripFile(
                f"the column {column.path!r} has lists or parts, expected one value a row. Look at what the source "
                "delivers."
            )
        kind = file.schema_arrow.field(place).type
        if column.physical_type == "BYTE_ARRAY" and not pa.types.is_dictionary(kind):
            raise NotTripFile(
                f"the column {column.path!r} has texts for {kind}, which no file of trips has. Look at what the source "
                "delivers."
            )
        fixed_bytes += max(column.length or 0, 0)
        if fixed_bytes > ROW_BYTES:
            raise NotTripFile(f"a row has values of {fixed_bytes:,} bytes at {column.path!r}: {_LOOK}")


def check_rows(rows: int) -> None:
    """Raise NotTripFile if these are more than any trip file has, of either format."""
    if rows > MOST_ROWS:
        raise NotTripFile(f"the file has {rows:,} rows: {_LOOK}")


def text_columns(metadata: Any) -> list[int]:
    """The places of the columns of texts, which are read as dictionaries."""
    columns = map(metadata.schema.column, range(metadata.num_columns))
    return [place for place, column in enumerate(columns) if column.physical_type == "BYTE_ARRAY"]


def check_pages(file: IO[bytes], metadata: Any, group_place: int, batch_rows: int) -> None:
    """Raise NotTripFile if a batch of the row group is made of more than any trip file has, or of other encodings.

    ArrowInvalid if its pages cannot be read. ``file`` is the same one, open; ``batch_rows`` the rows of a batch.
    """
    group = metadata.row_group(group_place)
    dictionary_bytes, batch_bytes = 0, Counter[int]()
    for place in range(group.num_columns):
        chunk = group.column(place)
        if not chunk.num_values == group.num_rows <= metadata.num_rows:
            raise pa.ArrowInvalid(f"{chunk.path_in_schema!r} has {chunk.num_values:,} of {group.num_rows:,} values")
        row = 0
        for page in read_pages(file, chunk):
            _check_page(page, chunk.path_in_schema)
            if page.is_dictionary:
                dictionary_bytes += page.size
                continue
            for batch in range(row // batch_rows, (row + page.values - 1) // batch_rows + 1):
                batch_bytes[batch] += page.size
            row += page.values
    size = dictionary_bytes + max(batch_bytes.values(), default=0)
    if size > PAGE_BYTES:
        raise NotTripFile(
            f"{min(batch_rows, group.num_rows):,} rows need pages of {size:,} bytes: {_LOOK} A file of your own: write "
            "it anew in pages of about 1 MiB."
        )


def written_out(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its texts instead of dictionaries of them; raises NotTripFile if they are too long."""
    columns, size = [], 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not pa.types.is_dictionary(column.type):
            columns.append(column)
            continue
        size += pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0
        if size > ROW_BYTES * batch.num_rows + SPARE_BYTES:
            raise NotTripFile(f"the texts of {batch.num_rows:,} rows have {size:,} bytes at {name!r}: {_LOOK}")
        columns.append(column.dictionary_decode())
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _check_page(page: Page, name: str) -> None:
    if page.encoding not in _ENCODINGS:
        raise NotTripFile(
            f"the column {name!r} has the encoding {page.encoding}, which no file of trips has. Look at what the "
            "source delivers. A file of your own: write it anew, plain or with dictionaries."
        )
    if page.is_dictionary and page.values > page.size:  # Arrow makes room for them before it looks
        raise pa.ArrowInvalid(f"a dictionary of {name!r} has {page.values:,} values in {page.size:,} bytes")
