"""The work pools that ``prefect deploy`` needs and the server does not have; one that is there is never changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError

from deployments.work_pools import POOLS, create_work_pool


def make_missing_pools(words: Sequence[str]) -> None:
    """Make what the file of this ``prefect deploy`` names, and say on standard error what was made or cannot be.

    Whatever keeps it from asking the server, ``prefect deploy`` meets right after, and says it.
    """
    try:
        with get_client(sync_client=True) as client:
            for name in pools_needed(words):
                if said := _make_if_missing(client, name):
                    print(said, file=sys.stderr)  # noqa: T201 - for the person at the terminal
    except (httpx.HTTPError, RuntimeError, ValueError):
        return


def pools_needed(words: Sequence[str]) -> list[str]:
    """The work pools of what this ``prefect deploy`` deploys: the one that it is given, or those that its file has."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--prefect-file", type=Path, nargs="?", const=Path(), default=Path("prefect.yaml"))
    parser.add_argument("--pool", "-p")
    parser.add_argument("--name", "-n", action="append", default=[])
    given = parser.parse_known_args(words)[0]
    return [given.pool] if given.pool else pools_named_in(given.prefect_file, given.name)


def pools_named_in(file: Path, wanted: Sequence[str] = ()) -> list[str]:
    """The work pools that the file's deployments name, each once; none if it is no such file.

    ``wanted`` are names of deployments, as ``name``, ``flow/name`` or a pattern of these; none: all of them.
    """
    patterns = [name.rpartition("/")[2] for name in wanted] or ["*"]
    try:
        deployments = yaml.safe_load(file.read_text(encoding="utf-8"))["deployments"]
        names = [
            (deployment.get("work_pool") or {}).get("name")
            for deployment in deployments
            if any(fnmatchcase(str(deployment.get("name")), pattern) for pattern in patterns)
        ]
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return []
    # Templates of names are Prefect's to fill.
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and "{{" not in name))


def _make_if_missing(client: SyncPrefectClient, name: str) -> str:
    try:
        client.read_work_pool(name)
        return ""
    except ObjectNotFound:
        if name in POOLS:
            return _make(client, name)
    return (
        f"The server has no work pool {name!r}, and deployments/work_pools has no template for it: make it with "
        f"`prefect work-pool create`, or name one of {', '.join(POOLS)}."
    )


def _make(client: SyncPrefectClient, name: str) -> str:
    try:
        create_work_pool(client, name)
    except ObjectAlreadyExists:  # by somebody else, in this moment
        return ""
    except PrefectHTTPStatusError as error:
        answer = error.response
        return (
            f"The server has no work pool {name!r}, and refuses to make it: {answer.status_code} {answer.text[:200]}. "
            f"Let somebody who may make it run: python -m deployments.work_pools {name}"
        )
    return f"The server had no work pool {name!r}: made from deployments/work_pools."
