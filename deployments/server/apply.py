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

from blocks.failures import told_in_one_sentence
from blocks.limits import ensure_limits
from blocks.register import chosen_before, register_blocks
from deployments.server.automations import apply_automations
from deployments.server.declared import PROJECT, declared_deployments, declared_for_pool
from deployments.server.form_rules import add_form_rules
from deployments.server.schedules import remove_undeclared_schedules
from deployments.server.unreachable_targets import (
    BLOCKS,
    leave_out,
    places_of_this_machine,
    unreachable_targets,
)
from deployments.work_pools import DEFAULT_POOL, POOLS, ensure_work_pool


def apply(pool: str = DEFAULT_POOL, log: Path | None = None, *, own_server: bool = False) -> Iterator[str]:
    """Apply step by step, and yield after each step what is there now. ``prefect deploy`` writes to ``log``, if any.

    On a shared server, blocks stay as they are if the environment does not set them; on ``own_server`` they become
    the default.

    Raises CalledProcessError if ``prefect deploy`` fails, NothingToLoadInto if the pool's runs reach no target.
    """
    here = places_of_this_machine(pool)
    missing = unreachable_targets(pool, here)
    kept = [] if own_server else chosen_before()
    yield f"blocks: {', '.join(register_blocks(leave_out=[*kept, *(BLOCKS[target] for target in here)]))}"
    if kept:
        yield f"blocks that stay as they are, for want of a variable: {', '.join(kept)}"
    yield f"work pool: {ensure_work_pool(pool)}"
    yield f"limits: {', '.join(ensure_limits())}"
    _deploy(pool, log)
    remove_undeclared_schedules()
    add_form_rules()
    yield f"deployments: {', '.join(declared_deployments())}"
    if missing:
        yield leave_out(missing)
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
    with told_in_one_sentence():
        for line in apply(parser.parse_args(arguments).pool):
            print(line, flush=True)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
