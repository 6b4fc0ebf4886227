"""What no Parquet file of trips comes near: bounds on what a few compressed kilobytes may become in memory.

They stand in the footer, which is read before any row is; a footer that lies about a page gets by. A text column with
a dictionary is read as that dictionary, for there one long value may stand in every row: it is written out only if a
batch of it has a size that trips have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.tlc.errors import NotTripFile

# Ten times those of the largest file in flows/tlc/catalogue.csv: fhv 2018-12 has 23,904,082.
MOST_ROWS = 250_000_000
# The widest file has 25.
MOST_COLUMNS = 500
# Of one column in one row group. The largest that can be: the 23,904,082 rows in one group, at 12 bytes (int96).
CHUNK_BYTES = 512 << 20
# Of one value on average. Texts of trips have 1 to 8 bytes; dictionaries, which small groups have too, up to 1 MiB.
VALUE_BYTES = 4 << 10
DICTIONARY_BYTES = 8 << 20
_LOOK = "no trip file has as many. Look at what the source delivers."


def check_footer(metadata: Any) -> None:
    """Raise NotTripFile if the footer announces more than any trip file has, or values that cannot be bounded."""
    if metadata.num_rows > MOST_ROWS:
        raise NotTripFile(f"the file has {metadata.num_rows:,} rows: {_LOOK}")
    if metadata.num_columns > MOST_COLUMNS:
        raise NotTripFile(f"the file has {metadata.num_columns:,} columns: {_LOOK}")
    for place in range(metadata.num_columns):
        column = metadata.schema.column(place)
        if column.max_repetition_level or column.path != column.name:
            raise NotTripFile(
                f"the column {column.path!r} has lists or parts, expected one value a row. Look at what the source "
                "delivers."
            )
        if column.length > VALUE_BYTES:
            raise NotTripFile(f"the column {column.path!r} has values of {column.length:,} bytes: {_LOOK}")
    for chunk in _chunks(metadata):
        _check_chunk(*chunk)


def dictionary_columns(metadata: Any) -> list[str]:
    """The columns of texts that have a dictionary in any row group."""
    return sorted(
        {
            chunk.path_in_schema
            for chunk, _ in _chunks(metadata)
            if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
        }
    )


def written_out(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its texts instead of dictionaries of them; raises NotTripFile if they are too long."""
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not pa.types.is_dictionary(column.type):
            columns.append(column)
            continue
        size = pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0
        if size > VALUE_BYTES * batch.num_rows + DICTIONARY_BYTES:
            raise NotTripFile(f"{batch.num_rows:,} values of the column {name!r} have {size:,} bytes: {_LOOK}")
        columns.append(column.dictionary_decode())
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _chunks(metadata: Any) -> Iterator[tuple[Any, int]]:
    """Each column of each row group, and how many rows it has."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for place in range(group.num_columns):
            yield group.column(place), group.num_rows


def _check_chunk(chunk: Any, rows: int) -> None:
    size = chunk.total_uncompressed_size
    if size > min(CHUNK_BYTES, VALUE_BYTES * rows + DICTIONARY_BYTES):
        raise NotTripFile(f"{rows:,} values of the column {chunk.path_in_schema!r} have {size:,} bytes: {_LOOK}")
    if "DELTA_BYTE_ARRAY" in chunk.encodings:  # each text is a piece of the one before: nothing says how long it is
        raise NotTripFile(
            f"the column {chunk.path_in_schema!r} is encoded as DELTA_BYTE_ARRAY, which no file of trips is. Look at "
            "what the source delivers."
        )
