"""Write every block from the environment: ``python -m blocks.register``. Again and again without harm."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.filesystems import LocalFileSystem

from blocks.alerts import alert_webhook
from blocks.embedded_postgres import start_postgres
from blocks.failures import told_in_one_sentence
from blocks.lake_url import BUCKET, FOLDER, folder_block, lake_kind
from blocks.names import ALERTS, EVENTS, GCP, LAKE, MIRROR_SOURCE, POSTGRES, TLC_SOURCE, WAREHOUSE
from blocks.saved import cached_block, data_once_a_run, may_be_saved, saved_names
from blocks.settings import Settings
from blocks.trip_data_source import TripDataSource
from blocks.trip_events import events_block
from blocks.warehouse_url import TRIP_WAREHOUSE, duckdb_path, warehouse_url
from flows.tlc.urls import path_to_url


def _postgres() -> Block:
    from blocks.postgres import postgres_connector  # noqa: PLC0415 - half a second that other blocks do not need

    url = Settings().postgres_url
    return postgres_connector(url.get_secret_value() if url else start_postgres())


def _gcp() -> Block:
    from blocks.lake import gcp_credentials  # noqa: PLC0415 - 1.6 s of imports that only the cloud needs

    return gcp_credentials(Settings().gcp_project, Settings().gcp_service_account_file)


def _lake_url() -> str:
    return Settings().lake_url or path_to_url(Settings().local_dir.absolute() / "lake")


def _lake() -> Block:
    url = _lake_url()
    if lake_kind(url) == FOLDER:
        return folder_block(url)
    from blocks.lake import GcpCredentials, bucket_block  # noqa: PLC0415

    return bucket_block(url, load_block(GcpCredentials, GCP))


def _warehouse() -> Block:
    from blocks.warehouse import warehouse_block  # noqa: PLC0415

    url = warehouse_url()
    return warehouse_block(url, _with_key() if url.startswith("bigquery:") else None)


def _with_key() -> Any:
    """The block ``tlc-gcp`` if it holds a key: the environment's, else the one that was registered before."""
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - with the cloud only

    from blocks.warehouse import GcpCredentials  # noqa: PLC0415

    if Settings().gcp_service_account_file is not None:
        return load_block(GcpCredentials, GCP)
    try:
        saved = _saved(GcpCredentials, GCP)
    except GoogleAuthError:  # it has none, and is not read on a machine without credentials of its own
        return None
    return saved if saved and saved.service_account_info else None


def _alerts() -> Block:
    url = Settings().alert_webhook_url
    if url is None:
        raise ValueError(f"there is no block {ALERTS}: set TLC_ALERT_WEBHOOK_URL and run python -m blocks.register.")
    return alert_webhook(url)


def _needs_gcp() -> bool:
    settings = Settings()
    return bool(settings.gcp_project or settings.gcp_service_account_file) or lake_kind(_lake_url()) == BUCKET


# How each block is made from the environment; if a variable is unset, the embedded default.
BUILDERS: dict[str, Callable[[], Block]] = {
    POSTGRES: _postgres,
    TLC_SOURCE: lambda: TripDataSource(base_url=Settings().source_url),
    MIRROR_SOURCE: lambda: TripDataSource(base_url=Settings().mirror_url),
    GCP: _gcp,
    LAKE: _lake,
    WAREHOUSE: _warehouse,
    EVENTS: lambda: events_block(Settings().events_url),
    ALERTS: _alerts,
}
# Those that have no default: left out if nothing in the environment asks for them.
ASKED_FOR: dict[str, Callable[[], bool]] = {
    GCP: _needs_gcp,
    ALERTS: lambda: Settings().alert_webhook_url is not None,
}


# What each block is made from. One that is saved, and of which the environment says nothing, is somebody's choice.
SETTINGS: dict[str, set[str]] = {
    POSTGRES: {"postgres_url"},
    TLC_SOURCE: {"source_url"},
    MIRROR_SOURCE: {"mirror_url"},
    GCP: {"gcp_project", "gcp_service_account_file"},
    LAKE: {"lake_url"},
    WAREHOUSE: {"warehouse_url"},
    EVENTS: {"events_url"},
    ALERTS: {"alert_webhook_url"},
}


def register_blocks(leave_out: Collection[str] = ()) -> list[str]:
    """Save every block but those to leave out, over the one of that name if there is one; returns their names.

    ``tlc-gcp`` and ``tlc-alerts`` are left out if nothing in the environment asks for them: the first takes
    credentials to make, the second has a URL and no default.
    """
    wanted = [name for name in BUILDERS if name not in leave_out]
    saved = [name for name in wanted if name not in ASKED_FOR or ASKED_FOR[name]()]
    for name in saved:
        block = BUILDERS[name]()
        block.save(name, overwrite=True)
        if name == LAKE:
            _remove_other_kind()
    return saved


def variables_of(name: str) -> str:
    """The variables that the block is made from, for people."""
    return " and ".join(f"TLC_{setting.upper()}" for setting in sorted(SETTINGS[name]))


def is_given(name: str) -> bool:
    """Whether the environment says what the block is to be; else it is the default."""
    return not Settings().model_fields_set.isdisjoint(SETTINGS[name])


def chosen_before() -> list[str]:
    """The blocks that are saved and of which the environment says nothing: a default would be put in their place.

    Whoever registers blocks on a server that others use leaves these out: a shell without their variables would send
    everybody's next run into folders of one machine.
    """
    names = saved_names()
    return [name for name in BUILDERS if name in names and not is_given(name)]


def _remove_other_kind() -> None:
    """Remove the block ``tlc-lake`` of the type that it no longer has: only one of that name is to be there."""
    if lake_kind(_lake_url()) == BUCKET:
        kind: type[Block] = LocalFileSystem
    else:
        from blocks.lake import GcsBucket as kind  # noqa: PLC0415, N813
    with suppress(ValueError):  # Prefect's word for a block that does not exist
        kind.delete(LAKE)


def load_lake() -> Any:
    """The block ``tlc-lake``, a GcsBucket or LocalFileSystem; before any registration, what registering would save."""
    if not may_be_saved(LAKE):
        return _lake()  # without Google's libraries, if it is a folder
    folder = _saved(LocalFileSystem, LAKE)
    if folder is not None:
        return folder
    from blocks.lake import GcsBucket  # noqa: PLC0415

    return _saved(GcsBucket, LAKE) or _lake()


def load_duckdb_file() -> Path | None:
    """The file that the block ``tlc-warehouse`` names, without Google's libraries; None if it is BigQuery."""
    data = data_once_a_run(TRIP_WAREHOUSE, WAREHOUSE) if may_be_saved(WAREHOUSE) else None
    if data is None:
        return duckdb_path(warehouse_url())
    return Path(data["duckdb_file"]) if data.get("duckdb_file") else None


def load_block(kind: type[Block], name: str) -> Any:
    """The saved block of that name; before any registration, the one that registering would save."""
    return _saved(kind, name) or BUILDERS[name]()


def _saved(kind: type[Block], name: str) -> Any:
    """The saved block; None if there is none. One that cannot be read is an error, not a reason to take another."""
    if not may_be_saved(name):
        return None
    try:
        return cached_block(kind, name)
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        raise


def main(arguments: Sequence[str] | None = None) -> None:
    """Register, and say which blocks were saved and which were kept."""
    parser = argparse.ArgumentParser(prog="python -m blocks.register", description=__doc__)
    parser.add_argument(
        "--defaults", action="store_true", help="save the default, too, over a block whose variable is not set"
    )
    defaults = parser.parse_args(arguments).defaults
    with told_in_one_sentence():
        kept = [] if defaults else chosen_before()
        for name in kept:
            print(f"{name} stays as it is: {variables_of(name)} is not set (--defaults saves the default)")  # noqa: T201
        for name in register_blocks(leave_out=kept):
            print(name)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
