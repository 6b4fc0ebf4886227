"""The build step of ``prefect.yaml``: what a deployment has to know of this checkout."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

PACKAGE = "nyc-taxi-flows"


def describe_project() -> dict[str, str]:
    """``folder``, where the flows' code is for whoever runs them, and ``version``, the package's.

    The folder is where ``prefect deploy`` runs; for a pool whose runs have their own copy of the code, such as a
    container's, ``TLC_PROJECT_DIR`` says where.
    """
    return {"folder": os.environ.get("TLC_PROJECT_DIR") or str(Path.cwd()), "version": version(PACKAGE)}
