"""Write every block from the environment: ``python -m blocks.register``. Again and again without harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect.blocks.core import Block

from blocks.embedded import start_postgres
from blocks.names import MIRROR_SOURCE, POSTGRES, TLC_SOURCE
from blocks.postgres import postgres_connector
from blocks.settings import Settings
from blocks.trip_data_source import TripDataSource


def _postgres() -> Block:
    url = Settings().postgres_url
    return postgres_connector(url.get_secret_value() if url else start_postgres())


# How each block is made from the environment; where a variable is unset, the embedded default.
BUILDERS: dict[str, Callable[[], Block]] = {
    POSTGRES: _postgres,
    TLC_SOURCE: lambda: TripDataSource(base_url=Settings().source_url),
    MIRROR_SOURCE: lambda: TripDataSource(base_url=Settings().mirror_url),
}


def register_blocks() -> list[str]:
    """Save every block, over the one of that name if there is one; returns their names."""
    for name, build in BUILDERS.items():
        build().save(name, overwrite=True)
    return list(BUILDERS)


def load_block(kind: type[Block], name: str) -> Any:
    """The saved block of that name; before any registration, the one that registering would save."""
    try:
        return kind.load(name)
    except ValueError:  # Prefect's word for a block that does not exist
        return BUILDERS[name]()


if __name__ == "__main__":
    for saved in register_blocks():
        print(saved)  # noqa: T201 - the command's output
