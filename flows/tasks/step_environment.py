"""What a step's program is told: where everything is, by the variables that its libraries know, from the blocks.

Passwords and keys are in files of a folder that is private and ends with the program.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg2
from prefect.filesystems import LocalFileSystem

from blocks.names import WAREHOUSE
from blocks.register import load_block, load_duckdb_file, load_lake
from flows.decide.step import Step
from flows.tasks.connect import open_lake, postgres_connected
from flows.tlc.urls import path_to_url

ROOT = Path(__file__).resolve().parents[2]
# The flow's own: they hold secrets, or would send a program elsewhere than the blocks do.
_WITHHELD = ("PREFECT_", "TLC_", "PG", "DBT_")


def step_environment(step: Step, values: dict[str, str], output: Path, secrets: Path) -> dict[str, str]:
    """The environment of the step's program, with this process's own but for what is the flow's.

    Raises TargetUnavailable if the step is for a Postgres that is out of reach.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        **inherited,
        **{f"TLC_{name.upper()}": value for name, value in values.items()},
        **(_postgres(step, values, secrets) if values["target"] == "postgres" else {}),
        **({} if step.is_sql and values["target"] == "postgres" else _files(secrets)),
        "TLC_OUTPUT": str(output),
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }


def _files(secrets: Path) -> dict[str, str]:
    """Where the lake and the warehouse are, and Google's key for them."""
    return {**_google_key(secrets), "TLC_LAKE_URL": open_lake().url, "TLC_WAREHOUSE_URL": _warehouse_url()}


def _postgres(step: Step, values: dict[str, str], secrets: Path) -> dict[str, str]:
    from blocks.postgres import READ_ONLY, libpq_variables  # noqa: PLC0415 - SQLAlchemy takes 0.2 s

    with postgres_connected() as connection:
        variables, password = libpq_variables(connection), connection.info.password
        options = [variables.get("PGOPTIONS", ""), *(f"-c tlc.{name}={value}" for name, value in values.items())]
        if not step.writes_tables:
            options.append(READ_ONLY)
        if _can_end_with_client(connection):
            options.append("-c client_connection_check_interval=2s")
    variables["PGOPTIONS"] = " ".join(filter(None, options))
    if password:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        variables["PGPASSFILE"] = str(_secret(secrets / "pgpass", f"*:*:*:*:{escaped}\n"))
    return variables


def _can_end_with_client(connection: Any) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("set client_connection_check_interval = '2s'")
    except psycopg2.Error:  # its system has no way to see that
        return False
    return True


def _warehouse_url() -> str:
    if (file := load_duckdb_file()) is not None:
        return path_to_url(file, "duckdb")
    from blocks.warehouse import TripWarehouse  # noqa: PLC0415 - Google's libraries take a second

    block: TripWarehouse = load_block(TripWarehouse, WAREHOUSE)
    location = f"&location={block.location}" if block.location else ""
    return f"bigquery://{block.project}/{block.dataset}?maximum_bytes_billed={block.maximum_bytes_billed}{location}"


def _google_key(secrets: Path) -> dict[str, str]:
    """Google's own variable for the key of the warehouse's block, else the lake's; nothing for default credentials."""
    credentials = None
    if load_duckdb_file() is None:
        from blocks.warehouse import TripWarehouse  # noqa: PLC0415 - Google's libraries take a second

        credentials = load_block(TripWarehouse, WAREHOUSE).gcp_credentials
    if credentials is None and not isinstance(lake := load_lake(), LocalFileSystem):
        credentials = lake.gcp_credentials
    if credentials is None or credentials.service_account_info is None:
        return {}
    from blocks.lake import is_made_up  # noqa: PLC0415 - as above

    if is_made_up(credentials):
        return {}
    info = credentials.service_account_info
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(_secret(secrets / "key.json", json.dumps(info.get_secret_value())))}


def _secret(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file
