"""Which failures in the log of Prefect's server the tests of the platform take for SQLite's own."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.server_log import ServerLog

LOCKED = """\
16:31:28.003 | ERROR   | prefect.server.utilities.messaging.memory - Failed in consume_loop
Traceback (most recent call last):
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
[SQL: INSERT INTO automation_bucket (automation_id) VALUES (:automation_id)]
16:32:19.304 | ERROR   | prefect.server.utilities.worker_channel - Worker channel heartbeat persistence failed: x
sqlite3.OperationalError: database is locked
16:35:01.266 | ERROR   | prefect.server.services.task_run_recorder - Error flushing 1 events (1 to retry, 0 dropped)
sqlite3.OperationalError: database is locked
16:32:14.453 | WARNING | prefect.server - Message failed after 4 retries and will be moved to the dead letter queue
"""
NOT_KNOWN = """\
16:31:28.003 | ERROR   | prefect.server.utilities.messaging.memory - Failed in consume_loop
ValueError: something else, of an automation_bucket
16:32:19.304 | ERROR   | prefect.server.api - Encountered exception in request
sqlite3.OperationalError: database is locked
16:35:01.266 | ERROR   | prefect.server.services.task_run_recorder - Error flushing 1 events (0 to retry, 1 dropped)
sqlite3.OperationalError: database is locked
16:35:02.000 | INFO    | prefect.server - all is well
"""


def test_only_what_is_locked_on_a_known_path_is_counted_apart(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    file.write_text(LOCKED + NOT_KNOWN)
    log = ServerLog.read(file)
    assert len(log.locked) == 3
    assert len(log.errors) == 3
    assert len(log.events_given_up) == 1
