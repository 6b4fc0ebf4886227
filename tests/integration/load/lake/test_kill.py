"""kill -9 at every step: the manifest is true at once, and the next load leaves nothing of the killed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flows.load.lake.clear import names_temporary
from flows.load.lake.folder import FolderLake
from flows.load.lake.protocol import TEMPORARY, Lake
from flows.tlc.errors import NewerLoad
from tests.integration.load.lake.conftest import Loader, assert_tidy, assert_true, gcs_lake
from tests.servers.gcs import GcsWire

CHANGES = ("upload", "copy", "write", "delete")
MOST_CHANGES = 60


@dataclass
class KilledLake:
    """A lake whose process is killed before or after its n-th change."""

    lake: Lake
    fatal: int
    after: bool = False
    changes: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.lake, name)
        if name not in CHANGES:
            return method

        def change(*args: Any, **kwargs: Any) -> Any:
            with self.lock:  # one after the other, so that "n-th" means something
                self.changes += 1
                is_fatal = self.changes == self.fatal
                if is_fatal and not self.after:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = method(*args, **kwargs)
                if is_fatal:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

        return change


def killed(work: Callable[[], object]) -> bool:
    """Do the work in a process of its own; whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.fixture
def fresh(request: pytest.FixtureRequest, lake: Lake) -> Callable[[], Lake]:
    """The same lake through a new client: one that was forked must not share its connections."""
    return lambda: (
        lake if isinstance(lake, FolderLake) else gcs_lake(request.getfixturevalue("wire"), takeover_seconds=0.05)
    )


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow's threads do not survive a fork: encode beforehand, in the thread that asks."""
    monkeypatch.setattr("flows.load.lake.encode.write_all", write_here)
    threads = pa.cpu_count()
    pa.set_cpu_count(1)
    yield
    pa.set_cpu_count(threads)


def write_here(batches, writers) -> None:
    for batch in batches:
        for writer in writers:
            writer.add(batch)


@pytest.mark.parametrize(("after", "then"), [(False, "old"), (True, "new")], ids=["before-old", "after-new"])
def test_killed_at_any_step(
    fresh: Callable[[], Lake], loader: Loader, days_file, in_process: None, after: bool, then: str
) -> None:
    """The manifest never says what is not so; whichever version is loaded next is there alone."""
    old, new = days_file(1, 2), days_file(2, 3)
    loader(old, "old")
    for fatal in range(1, MOST_CHANGES):
        doomed = Loader(KilledLake(fresh(), fatal, after), loader.work_dir)
        was_killed = killed(lambda doomed=doomed: doomed(new, "new"))
        whole = Loader(fresh(), loader.work_dir)
        manifest = assert_true(whole.lake)
        assert manifest.report.source_etag in ("old", "new")
        assert whole.table().num_rows == whole.table("partitioned").num_rows == manifest.report.rows_loaded
        if not was_killed:
            break
        if whole.find(then) is None:
            whole(new if then == "new" else old, then)
        assert assert_true(whole.lake).report.source_etag == then
        assert_tidy(whole.lake)
        whole(old, "old")
    assert fatal > 12


def test_killed_in_the_first_load_of_a_month(fresh: Callable[[], Lake], loader: Loader, days_file, in_process) -> None:
    """There is no manifest, or a true one; the other days that the killed load had do not stay."""
    for fatal in range(1, MOST_CHANGES):
        doomed = Loader(KilledLake(fresh(), fatal), loader.work_dir)
        was_killed = killed(lambda doomed=doomed: doomed(days_file(2, 3), "killed"))
        whole = Loader(fresh(), loader.work_dir)
        if not was_killed:
            break
        whole(days_file(1), "v1")
        assert len(whole.manifest().objects) == 2
        assert_tidy(whole.lake)
        for item in whole.lake.list(""):
            whole.lake.delete(whole.lake.find(item.name))
    assert fatal > 8


def test_outdated_load_leaves_what_a_killed_one_left(
    fresh: Callable[[], Lake], loader: Loader, days_file, in_process: None
) -> None:
    """The manifest names copies until the next load: an older one, which goes, must not take their originals along.

    Who reads the lake by the names of its folders would find the month gone.
    """
    url, looked = "http://source/green.parquet", datetime(2024, 6, 1, tzinfo=UTC)
    left: list[str] = []

    def load_newer_and_kill_the_next(_fraction: float) -> None:
        if left:
            return
        loader(days_file(1, 2), "v2", source_url=url, started_at=looked + timedelta(seconds=1))
        later = looked + timedelta(seconds=2)
        for fatal in range(1, MOST_CHANGES):
            doomed = Loader(KilledLake(fresh(), fatal, after=True), loader.work_dir)
            assert killed(lambda doomed=doomed: doomed(days_file(2, 3), "v3", source_url=url, started_at=later))
            if names_temporary(loader.manifest()):
                break
        left.extend(loader.names())

    with pytest.raises(NewerLoad, match="has put in version v2, and that stays"):
        loader(days_file(1), "v1", source_url=url, started_at=looked, on_progress=load_newer_and_kill_the_next)
    assert names_temporary(assert_true(loader.lake))
    in_place = {name for name in left if name.startswith("trips/")}
    assert len(in_place) == 3
    assert in_place <= set(loader.names())

    assert loader(days_file(2, 3), "v3", source_url=url).status == "loaded"
    assert_tidy(loader.lake)


SCRIPT = """
import sys
from pathlib import Path
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from flows.load.lake.gcs import GcsLake
url, source, work, etag = sys.argv[1:]
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": url})
from tests.integration.load.lake.conftest import Loader
print("go", flush=True)
Loader(GcsLake(client.bucket("lake"), "some/where"), Path(work))(Path(source), etag)
"""


@pytest.mark.parametrize("stuck_in", ["upload", "manifest"])
def test_a_process_killed_on_the_wire(wire: GcsWire, tmp_path: Path, days_file, stuck_in: str) -> None:
    """In the middle of an upload's body, and with every object in place but not the manifest's answer."""
    whole = Loader(gcs_lake(wire, takeover_seconds=0.1), tmp_path / "work")
    whole(days_file(1, 2), "old")
    seen = len(wire.requests)
    if stuck_in == "upload":
        wire.stall("objects.insert", 60, skip=1)
    else:
        wire.stall("objects.rewrite", 60, skip=2 * 3 - 1)  # the last of 3 kept and 3 placed
    root = Path(__file__).resolve().parents[4]
    command = [sys.executable, "-c", SCRIPT, wire.url, str(days_file(2, 3)), str(tmp_path / "work"), "new"]
    process = subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
    wanted = "objects.insert" if stuck_in == "upload" else "objects.rewrite"
    deadline = time.monotonic() + 60
    while len([r for r in wire.requests[seen:] if r.operation == wanted]) < (2 if stuck_in == "upload" else 6):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()

    assert assert_true(whole.lake).report.source_etag == "old"
    assert any(name.startswith(TEMPORARY) for name in whole.names())
    assert len(list((tmp_path / "work").iterdir())) == 2
    assert whole(days_file(2, 3), "new").status == "loaded"
    assert_tidy(whole.lake)
    assert list((tmp_path / "work").iterdir()) == []
