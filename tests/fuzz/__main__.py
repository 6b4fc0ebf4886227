"""``python -m tests.fuzz``: mutated files for as long as wanted, then one line on how they ended."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from blocks.embedded_postgres import start_postgres, stop_postgres
from tests.fuzz.supervise import Tally, run_cases

# Of each so many rounds of all kinds of cases, one is loaded into Postgres, a lake and a warehouse.
LOADS_EVERY = 20


def main() -> int:
    """Run cases; 1 if there was a violation."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="for so long")
    parser.add_argument("--seed", default=time.strftime("%Y%m%d"), help="the same cases for the same seed")
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="not more than so many")
    options = parser.parse_args()
    started = time.monotonic()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="fuzz-postgres-") as folder:
        url = start_postgres(Path(folder) / "pg")
        try:
            ends = started + 60 * options.minutes
            for index, outcome in run_cases(
                options.seed,
                goes_on=lambda index: index < options.cases and time.monotonic() < ends,
                loads_every=LOADS_EVERY,
                postgres_url=url,
            ):
                tally.add(index, outcome)
                if outcome.kind == "violation":
                    print(f"case {index}: {outcome.words}", flush=True)
        finally:
            stop_postgres(Path(folder) / "pg")
    print(tally.report(options.seed, time.monotonic() - started))
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
