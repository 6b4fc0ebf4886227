"""The machine, the versions and the revision that a result belongs to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psycopg2

from tests.benchmarks.inputs import CHECKOUT

_PACKAGES = ("prefect", "pyarrow", "pgpq", "psycopg2-binary", "pandas", "sqlalchemy", "httpx")
_POSTGRES_SETTINGS = ("server_version", "wal_level", "shared_buffers", "fsync", "max_wal_size", "synchronous_commit")


def machine_facts(postgres_url: str) -> dict[str, Any]:
    """What may explain another result elsewhere."""
    return {
        "system": platform.platform(),
        "processor": _first_line("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "postgres": _postgres_settings(postgres_url),
        "revision": _git("rev-parse", "HEAD"),
        "changed_files": len(_git("status", "--porcelain", "--", "flows", "blocks").splitlines()),
    }


def _postgres_settings(url: str) -> dict[str, str]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select name, current_setting(name) from unnest(%s) name", (list(_POSTGRES_SETTINGS),))
        settings = dict(cursor.fetchall())
    connection.close()
    return settings


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _first_line(path: str, key: str) -> str:
    file = Path(path)
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), platform.processor())
