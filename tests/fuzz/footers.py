"""What a Parquet file says of itself, asked for as at a source, beside what it holds."""

from __future__ import annotations

from datetime import timedelta

import httpx

from flows.extract.download.find import SourceFile
from flows.extract.read.parquet_footer import read_footer
from flows.tlc.errors import TripLoadError
from flows.tlc.schema import schema_of
from tests.fuzz.judge import Case
from tests.fuzz.oracle import EPOCH

URL = "http://source/trips.parquet"


def judge_footer(case: Case) -> str:
    """What is wrong with the rows and pickups that the footer is read to have; nothing if all is right."""
    content = case.path.read_bytes()

    def answer(request: httpx.Request) -> httpx.Response:
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return httpx.Response(206, stream=httpx.ByteStream(content[first : last + 1]), headers=headers)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        try:
            totals = read_footer(client, SourceFile(URL, None, len(content), None), schema_of(case.request.dataset))
        except TripLoadError as error:
            return f"a whole file has no footer: {error}" if case.is_whole else ""
        except Exception as error:  # the very thing that is looked for
            return f"footer: bare {type(error).__name__}: {error}"
    expected = case.expected
    if totals is None or expected is None or not case.is_whole or expected.must_fail or expected.rejected:
        return ""
    pickup = next(place for place, name in enumerate(expected.names) if name.endswith("pickup_datetime"))
    pickups = sorted(EPOCH + timedelta(microseconds=row[pickup]) for row in expected.rows)
    said, held = (totals.first_pickup, totals.last_pickup), (pickups[:1], pickups[-1:])
    if totals.rows != len(pickups) or (said[0] is not None and ([said[0]], [said[1]]) != held):
        return f"the footer is read as {totals}, the file has {len(pickups)} rows from {held[0]} to {held[1]}"
    return ""
