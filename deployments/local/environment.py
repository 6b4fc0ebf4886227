"""The environment of the platform on a laptop: everything under ``.local/``, nothing of the user's touched."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from blocks.settings import SERVER_STARTUP_SECONDS, Settings, make_private
from deployments.local.login import login_environment
from deployments.server.declared import PROJECT

__all__ = ["SERVER_STARTUP_SECONDS", "use_local_environment"]


def use_local_environment(folder: Path) -> None:
    """Have Prefect and the project keep everything below ``folder``. Call it before Prefect is imported."""
    for name in [name for name in os.environ if name.startswith("TLC_") or name == "PREFECT_API_URL"]:
        del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": str(prefect_home(folder)),
        "PREFECT_PLUGINS_ENABLED": "false",  # a notebook's event loop has no room for them, and nothing here needs one
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(SERVER_STARTUP_SECONDS),
        "TLC_LOCAL_DIR": str(folder),
        "TLC_CACHE_DIR": str(folder / "cache"),
        "TMPDIR": str(temporary_folder(folder)),
    }


def keep_private(folder: Path) -> None:
    """Make the folder and the temporary one in it for their owner only, and so all that is written afterwards.

    The umask stays unchanged if lake or warehouse are in folders of the user's own choice.
    """
    make_private(folder)
    make_private(temporary_folder(folder))
    settings = Settings()
    if not any((url or "").startswith(("file:", "duckdb:")) for url in (settings.lake_url, settings.warehouse_url)):
        os.umask(0o077)


def temporary_folder(folder: Path) -> Path:
    """The folder for temporary files of the platform in ``folder``: that of the machine is shared with other users."""
    return folder / "tmp"


def _prefect_toml() -> dict[str, str]:
    """This checkout's prefect.toml as variables: services that run in another folder do not read the file."""
    settings = tomllib.loads((PROJECT / "prefect.toml").read_text(encoding="utf-8"))
    return dict(_variables("PREFECT", {section: settings[section] for section in ("flows", "server")}))


def _variables(prefix: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Prefect's variable for each setting: its path in capitals."""
    for key, value in settings.items():
        name = f"{prefix}_{key.upper()}"
        if isinstance(value, dict):
            yield from _variables(name, value)
        else:
            yield name, str(value)


# Variables that point to the user's own Prefect, or are about other servers than this one.
_ELSEWHERE = (
    "PREFECT_HOME",
    "PREFECT_PROFILE",  # and PREFECT_PROFILES_PATH
    "PREFECT_API_",
    "PREFECT_UI_URL",
    "PREFECT_SERVER_API_",
    "PREFECT_SERVER_DATABASE_",
)


def demo_folder(folder: Path) -> Path:
    """Where made-up months are kept, of the platform in ``folder``: never among real ones."""
    return folder / "demo"


def prefect_home(data: Path) -> Path:
    """Where Prefect keeps what belongs to the trips in ``data``."""
    return data / "platform"


def _names_of_this_machine(url: str) -> str:
    """The UI's address by number and by name: whoever types the other one has the same server."""
    return f"{url},{url.replace('127.0.0.1', 'localhost')}"


def platform_environment(folder: Path, api_url: str, data: Path | None = None) -> dict[str, str]:
    """The environment of every service of the platform and of its commands: the user's, with these changes.

    Flows keep their data in ``data``, by default the platform's own folder, and Prefect keeps what it knows beside it:
    made-up months and real ones have blocks, runs and ledgers of their own.
    """
    data = data or folder
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_ELSEWHERE)}
    # Later entries win: first defaults, then the user's, then what the services need to find each other.
    return (
        {
            "PREFECT_WORKER_QUERY_SECONDS": "1",  # how soon a run is picked up
            "PREFECT_PLUGINS_ENABLED": "false",  # they are for `prefect deploy` by hand, and cost each run time
            **_prefect_toml(),
            # A run that waits for one of the worker's two places is not late yet.
            "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",
            "TLC_ALERT_LATE_MINUTES": "5",  # after those 300 seconds: ten minutes in all, as elsewhere
            # A run is a process of the worker's own machine: it begins within seconds, a minute if that is busy.
            "TLC_PENDING_MINUTES": "1.75",
            # A run that is cancelled has ended within seconds, if anybody heard it (default: 300).
            "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": "120",
            # Runs that went silent while the server was down are noticed once it is up (default: within a minute).
            "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P1D",
            # In memory, by default: a restarted server would never release the slots of earlier runs.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # Runs outlive a restart of the server of four minutes (by default of one).
            "PREFECT_CLIENT_MAX_RETRIES": "7",
            "TLC_CACHE_DIR": str(data / "cache"),
            # What the worker starts a run with. Its own way has two processes, the first to see what to install.
            "TLC_RUN_COMMAND": shlex.join([sys.executable, "-m", "deployments.run_engine"]),
        }
        | kept
        | {
            "PREFECT_HOME": str(prefect_home(data)),
            "PREFECT_API_URL": api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_API_URL": api_url,
            # The UI is of the same origin. Without this, a page of any other site could ask the API for the secrets.
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": _names_of_this_machine(api_url.removesuffix("/api")),
            "TLC_LOCAL_DIR": str(data),
            "TMPDIR": str(temporary_folder(folder)),
        }
        | login_environment(folder)
    )
