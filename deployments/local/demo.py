"""``make demo``: months of every dataset from a local stand-in of the TLC site into an embedded Postgres."""

from __future__ import annotations

import importlib
import os

from blocks.settings import local_folder
from deployments.local.environment import demo_folder, use_local_environment


def main() -> None:
    """Set the environment, then run: Prefect reads it when it is imported."""
    use_local_environment(demo_folder(local_folder()))
    os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
    importlib.import_module("deployments.local.demo_steps").run()


if __name__ == "__main__":
    main()
