"""What dbt's process is told of the target, as environment variables: ``flows/analytics/profiles.yml`` reads them.

Everything comes from the blocks, so that credentials are in one place.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from blocks.names import WAREHOUSE
from blocks.register import load_block, load_duckdb_file
from blocks.settings import Settings
from flows.decide.models import ModelsTarget
from flows.tasks.connect import open_bigquery
from flows.tlc.errors import ParameterError


def warehouse_environment() -> dict[str, str]:
    """The variables for the warehouse of the block ``tlc-warehouse``."""
    if (file := load_duckdb_file()) is not None:
        return _environment("duckdb", "bigquery", str(file)) | {"TLC_MODELS_DUCKDB_FILE": str(file)}
    return _bigquery()


def postgres_environment(connection: Any) -> dict[str, str]:
    """The variables for the server and database of a psycopg2 connection."""
    from blocks.postgres import libpq_variables  # noqa: PLC0415 - SQLAlchemy takes 0.2 s

    parameters, password = connection.info.dsn_parameters, connection.info.password
    identity = " ".join(str(parameters.get(name)) for name in ("host", "port", "dbname"))
    secret = {"DBT_ENV_SECRET_PGPASSWORD": password} if password else {}
    return _environment("postgres", "postgres", identity) | libpq_variables(connection) | secret


def _bigquery() -> dict[str, str]:
    from blocks.lake import is_made_up  # noqa: PLC0415 - Google's libraries take a second
    from blocks.warehouse import EMULATOR, TripWarehouse  # noqa: PLC0415

    block: TripWarehouse = load_block(TripWarehouse, WAREHOUSE)
    named = {
        "TLC_MODELS_BIGQUERY_PROJECT": str(block.project),
        "TLC_MODELS_BIGQUERY_DATASET": block.dataset,
        # Of the trips' dataset: the marts' is made in it, and no query reads two locations.
        "TLC_MODELS_BIGQUERY_LOCATION": open_bigquery().find_location() or "",
    }
    credentials = block.gcp_credentials
    if credentials and not is_made_up(credentials):
        if credentials.service_account_file:
            named |= {
                "TLC_MODELS_BIGQUERY_METHOD": "service-account",
                "TLC_MODELS_BIGQUERY_KEYFILE": str(Path(credentials.service_account_file).expanduser()),
            }
        elif credentials.service_account_info:
            named |= _key(credentials.service_account_info.get_secret_value())
    elif os.environ.get(EMULATOR):
        named |= {"TLC_MODELS_BIGQUERY_METHOD": "oauth-secrets"}  # the default one looks for Google's own
    return _environment("bigquery", "bigquery", f"{block.project}.{block.dataset}") | named


def _key(key: dict[str, Any]) -> dict[str, str]:
    if key.get("type", "service_account") != "service_account":
        raise ParameterError(
            "the models are built in BigQuery with a service account's key or with application default credentials, "
            f"and the block tlc-gcp has one of type {key.get('type')}: set TLC_GCP_SERVICE_ACCOUNT_FILE and run "
            "'python -m blocks.register'."
        )
    return {
        "TLC_MODELS_BIGQUERY_METHOD": "service-account-json",
        "TLC_MODELS_BIGQUERY_EMAIL": str(key["client_email"]),
        "TLC_MODELS_BIGQUERY_TOKEN_URI": str(key["token_uri"]),
        "DBT_ENV_SECRET_BIGQUERY_KEY": str(key["private_key"]),
    }


def _environment(engine: str, target: ModelsTarget, identity: str) -> dict[str, str]:
    """What all engines have: their names, here and in assets, and the folder of dbt's own files, one a database."""
    name = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return {
        "TLC_MODELS_ENGINE": engine,
        "TLC_MODELS_PLACE": "postgres" if target == "postgres" else "warehouse",
        "TLC_MODELS_TARGET": str(Settings().local_dir.absolute() / "models" / f"{engine}-{name}"),
    }


def prefect_environment() -> dict[str, str]:
    """Prefect's settings; of a flow run also the server, which may be one that Prefect has started itself."""
    variables = get_current_settings().to_environment_variables(exclude_unset=True)
    if flow_run.get_id() is None:
        return variables
    with get_client(sync_client=True) as client:
        return variables | {"PREFECT_API_URL": str(client.api_url)}
