"""Which entries in the log of Prefect's server the tests of the platform take for failures."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.server_log import server_errors

LOG = """\
16:31:28.003 | ERROR   | prefect.server.utilities.messaging.memory - Failed in consume_loop
Traceback (most recent call last):
ValueError: one
16:31:29.003 | ERROR   | uvicorn.error - Exception in ASGI application
Traceback (most recent call last):
starlette.websockets.WebSocketDisconnect
16:31:30.003 | CRITICAL | prefect.server - two
16:32:14.453 | WARNING | prefect.server - Message failed after 4 retries and will be moved to the dead letter queue
16:35:02.000 | INFO    | prefect.server - all is well
"""


def test_failures_are_whole_and_a_client_that_is_gone_is_none(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    file.write_text(LOG)
    consume_loop, critical, given_up = server_errors(file)
    assert consume_loop.startswith("16:31:28.003") and consume_loop.endswith("ValueError: one\n")
    assert critical.endswith("two\n")
    assert "4 retries" in given_up
