"""The environment of the platform on a laptop: everything under ``.local/``, nothing of the user's touched."""

from __future__ import annotations

import os
from pathlib import Path

from blocks.settings import SERVER_STARTUP_SECONDS

__all__ = ["SERVER_STARTUP_SECONDS", "use_local_environment"]


def use_local_environment(folder: Path) -> None:
    """Have Prefect and the project keep everything below ``folder``. To be called before Prefect is imported."""
    for name in [name for name in os.environ if name.startswith("TLC_") or name == "PREFECT_API_URL"]:
        del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(SERVER_STARTUP_SECONDS),
        "TLC_LOCAL_DIR": str(folder),
        "TLC_CACHE_DIR": str(folder / "cache"),
    }
