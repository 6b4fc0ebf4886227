"""Lines of a CSV file as the rows that Arrow makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv


def parse_lines(lines: bytes, column_names: Sequence[str], rows: int) -> pa.RecordBatch | None:
    """Whole lines as one batch of bytes; None if Arrow takes them for anything else than so many ``rows``.

    A block at a time, not Arrow's stream of a whole file: that one takes a read of a few bytes for the file's end, goes
    on reading after an error, and cannot be asked how many rows it made of which lines.
    """
    places = [str(place) for place in range(len(column_names))]  # a name may be there twice
    if not rows:
        return pa.record_batch([pa.array([], pa.binary()) for _ in places], names=column_names)
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(lines),
            read_options=pa_csv.ReadOptions(column_names=places, block_size=len(lines) + 1, use_threads=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.binary()),
                null_values=[""],  # Arrow's own list has "NA" and "null", which are values here
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table.rename_columns(column_names).to_batches()[0] if table.num_rows == rows else None
