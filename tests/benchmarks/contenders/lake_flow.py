"""``api_to_gcs`` into a folder, from the call to its return: Prefect's part, the download and the checks included.

Imports come before the clock, as in a worker's process that has begun; the cache and the lake are empty.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from flows.api_to_gcs import api_to_gcs
from tests.benchmarks.contenders.result import cpu_seconds, peak_memory_bytes, tell


def main(month: str) -> None:
    """Run the flow once."""
    shutil.rmtree(os.environ["TLC_CACHE_DIR"], ignore_errors=True)
    shutil.rmtree(Path(os.environ["TLC_LOCAL_DIR"]) / "lake", ignore_errors=True)
    cpu_before, started = cpu_seconds(), time.perf_counter()
    report = api_to_gcs(dataset="yellow", month=month, force=True)
    tell(
        seconds=time.perf_counter() - started,
        load_seconds=report.seconds,
        cpu_seconds=cpu_seconds() - cpu_before,
        peak_memory_bytes=peak_memory_bytes(),
        **report.model_dump(include={"status", "rows_read", "rows_loaded", "rows_rejected", "bytes_read"}),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
