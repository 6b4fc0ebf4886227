"""``python -m deployments.work_pools [name …]``: make the work pools, or bring their templates up to date."""

from __future__ import annotations

import argparse

from blocks.failures import told_in_one_sentence
from deployments.work_pools import DEFAULT_POOL, POOLS, ensure_work_pool


def main() -> None:
    """Make each pool that is named, or the default one."""
    parser = argparse.ArgumentParser(prog="python -m deployments.work_pools", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(POOLS)}; default: {DEFAULT_POOL}")
    names = parser.parse_args().names or [DEFAULT_POOL]
    if unknown := [name for name in names if name not in POOLS]:
        parser.error(f"there is no pool {unknown[0]!r}: choose from {', '.join(POOLS)}")
    with told_in_one_sentence():
        for name in names:
            print(ensure_work_pool(name))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
