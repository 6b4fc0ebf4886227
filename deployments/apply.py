"""Bring a Prefect server to what the checkout says: ``python -m deployments.apply``. Again and again without harm.

Blocks, work pool, limits, deployments and automations go to the server that ``PREFECT_API_URL`` names.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile

from blocks.limits import ensure_limits
from blocks.names import POSTGRES
from blocks.register import register_blocks
from deployments.automations import apply_automations
from deployments.declared import PROJECT, declared_deployments, declared_for_pool
from deployments.schedules import remove_undeclared_schedules
from deployments.without_postgres import leave_postgres_out, must_leave_block_out
from deployments.work_pools import DEFAULT_POOL, POOLS, ensure_work_pool


def apply(pool: str = DEFAULT_POOL, log: Path | None = None) -> Iterator[str]:
    """Do it step by step, and say after each what is there now. ``prefect deploy`` writes to ``log``, if any.

    Raises CalledProcessError where ``prefect deploy`` fails.
    """
    no_postgres = must_leave_block_out(pool)
    yield f"blocks: {', '.join(register_blocks(leave_out=[POSTGRES] if no_postgres else []))}"
    yield f"work pool: {ensure_work_pool(pool)}"
    yield f"limits: {', '.join(ensure_limits())}"
    _deploy(pool, log)
    remove_undeclared_schedules()
    yield f"deployments: {', '.join(declared_deployments())}"
    if no_postgres and (left_out := leave_postgres_out()):
        yield left_out
    automations = apply_automations()
    yield f"automations: {', '.join(automations.created + automations.updated + automations.left)}"
    yield from automations.notes


def _deploy(pool: str, log: Path | None) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    with ExitStack() as held:
        if pool != DEFAULT_POOL:
            file = held.enter_context(NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8"))
            file.write(declared_for_pool(pool))
            file.flush()
            command += ["--prefect-file", file.name]
        output = held.enter_context(log.open("ab")) if log else None
        subprocess.run(command, cwd=PROJECT, check=True, stdout=output, stderr=output)  # noqa: S603 - our own words


def main(arguments: Sequence[str] | None = None) -> None:
    """Apply, and print what is there."""
    parser = argparse.ArgumentParser(prog="python -m deployments.apply", description=__doc__)
    parser.add_argument("--pool", choices=POOLS, default=DEFAULT_POOL, help="where the deployments' runs go")
    for line in apply(parser.parse_args(arguments).pool):
        print(line, flush=True)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
