"""``make demo``: months of every dataset from a local stand-in of the TLC site into an embedded Postgres."""

from __future__ import annotations

import importlib
import os

from blocks.postgres_access import PostgresFailed
from blocks.settings import local_folder, make_private
from deployments.local.environment import demo_folder, keep_private, use_local_environment


def main() -> None:
    """Set the environment, then run: Prefect reads it when it is imported."""
    make_private(local_folder())
    demo = demo_folder(local_folder())
    use_local_environment(demo)
    keep_private(demo)
    os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
    try:
        importlib.import_module("deployments.local.demo_steps").run()
    except PostgresFailed as failure:
        raise SystemExit(str(failure)) from None


if __name__ == "__main__":
    main()
