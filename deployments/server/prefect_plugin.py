"""Prefect's start, by its entry point group ``prefect.plugins``: ``prefect deploy`` finds the work pools that it needs.

Prefect loads this in each process that imports it in this folder (``prefect.toml``): it has to be quick, and to do
nothing unless ``prefect deploy`` is what runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from prefect.plugins import HookContext, register_hook


@register_hook
def setup_environment(*, ctx: HookContext) -> None:
    """Before ``prefect deploy``, make the work pools that its file names and the server does not have.

    Not without ``PREFECT_API_URL``: Prefect then starts a server for this command alone.
    """
    # `python -m prefect` has no program's name yet while it imports Prefect.
    started = sys.orig_argv[-len(sys.argv) :]
    if ctx.api_url and is_deploy(started):
        from deployments.server.missing_pools import make_missing_pools  # noqa: PLC0415 - a second of imports

        make_missing_pools(started)


def is_deploy(started: Sequence[str]) -> bool:
    """Whether the words of a command line deploy to the server of this process: another profile may have another."""
    if not started or Path(started[0]).stem != "prefect":
        return False
    command = next((word for word in started[1:] if not word.startswith("-")), None)
    return command == "deploy" and not {word.partition("=")[0] for word in started} & {"--help", "--profile"}
