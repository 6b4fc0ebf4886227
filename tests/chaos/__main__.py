"""``make chaos``: flows that write, killed and failed at random while readers look on; then one run, and all is whole.

``MINUTES=`` and ``SEED=`` say how long and which. Ends with 1 if a reader saw what nobody may see, or the end is wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from deployments.tlc_site.site import TripSite
from deployments.tlc_site.synthetic.months import taxi_zone_lookup
from flows.dbt.process import models_python
from flows.tlc.errors import ModelsNotInstalled
from flows.tlc.locations import ZONES_PATH
from tests.benchmarks.machine import machine_facts
from tests.benchmarks.report import at_most, conclude
from tests.chaos import after
from tests.chaos.actors import FLOWS, Chaos
from tests.chaos.faults import PROCESS, Places, needs
from tests.chaos.months import Months
from tests.chaos.places import reset_database
from tests.chaos.readers import Readers
from tests.chaos.runs import prepare
from tests.chaos.victims import Victims
from tests.e2e.platform import platform_up, wait_for
from tests.servers.webhook_receiver import WebhookReceiver

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "chaos.json"
ACTORS = 4
# As short as a run's start on two busy cores allows.
SETTINGS = {
    "TLC_PENDING_MINUTES": "1",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": "20",
}


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path | None]:
    """A small disk at ``folder``; None, and nothing there, for who may not mount one."""
    if os.geteuid() != 0:
        yield None
        return
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def flows_here() -> dict[str, int]:
    """Those whose programs are installed."""
    try:
        models_python()
    except ModelsNotInstalled:
        print("build_models is left out: make models installs dbt")
        return {name: weight for name, weight in FLOWS.items() if name != "build_models"}
    return FLOWS


def unleash(chaos: Chaos, minutes: float) -> None:
    """Actors and killer, for so long."""
    victims = Victims(chaos.seed, chaos.platform, chaos.limited, chaos.done, chaos.count, chaos.violation)
    threads = [threading.Thread(target=chaos.act) for _ in range(ACTORS)]
    threads += [threading.Thread(target=act) for act in (victims.kill_databases, victims.kill_services, victims.submit)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        time.sleep(min(30, max(deadline - time.monotonic(), 0)))
        print(
            f"{chaos.number} runs, kills {dict(chaos.counts['kills'])}, {len(chaos.violations)} violations", flush=True
        )
    chaos.done.set()
    for thread in threads:
        thread.join()


def report(chaos: Chaos, readers: Readers, seconds: float) -> None:
    """For people. A fault is counted when it is drawn: a run that is killed first may not have met it."""
    for kind, counts in chaos.counts.items():
        print(f"{kind}: {counts.total()}, {len(counts)} kinds")
        for name, count in sorted(counts.items()):
            print(f"  {count:6,}  {name}")
    print(f"looks of readers: {readers.looks}; in vain, as the place was away: {readers.away}")
    for name in PROCESS:
        if why := needs(name, chaos.places):
            print(f"not made here: {name} needs {why}")
    for error, steps in chaos.unexpected.items():
        print(f"error that is none of the project's, in steps {steps}: {error}")
    print(f"violations: {len(chaos.violations)}", *chaos.violations, sep="\n  ")
    print(f"seed {chaos.seed}, {seconds:.0f} s")


def keep(chaos: Chaos, readers: Readers, seconds: float, output: Path) -> int:
    """The counts, as the benchmarks keep theirs; 1 if there were violations."""
    targets = [at_most("violations", len(chaos.violations), 0)]
    found = {"seed": chaos.seed, "seconds": round(seconds), "looks": readers.looks, "looks_in_vain": readers.away}
    counts = {kind: dict(sorted(counted.items())) for kind, counted in chaos.counts.items()}
    unexpected = {error: len(steps) for error, steps in chaos.unexpected.items()}
    facts = machine_facts(chaos.places.postgres)
    return conclude(targets, output, machine=facts, **found, counts=counts, unexpected=unexpected)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"where the JSON goes (default: {RESULTS})")
    options = parser.parse_args()
    started = time.monotonic()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    with ExitStack() as opened:
        site = opened.enter_context(TripSite())
        site.put(ZONES_PATH, taxi_zone_lookup())
        months = Months(site)
        months.make(options.seed, Path(opened.enter_context(tempfile.TemporaryDirectory())))
        alerts = opened.enter_context(closing(WebhookReceiver()))
        platform = opened.enter_context(platform_up(site, alerts, **SETTINGS))
        lake = opened.enter_context(disk(platform.folder / "lake", "24m")) or platform.folder / "lake"
        small = opened.enter_context(disk(platform.folder / "small", "4m"))
        (platform.folder / "runs").mkdir()
        os.environ |= platform.environment
        prepare(FLOWS)
        postgres = after.postgres_url(platform)
        warehouse, cache = platform.folder / "warehouse.duckdb", platform.folder / "cache"
        places = Places(postgres, lake, warehouse, cache, small)
        chaos = Chaos(options.seed, platform, months, places, flows_here())
        readers = Readers(months, chaos.violation, postgres, lake, warehouse)
        readers.start()
        unleash(chaos, options.minutes)
        wait_for("the database has its own settings", lambda: reset_database(postgres))
        after.finish(platform, months, chaos.violation, chaos.flows)
        readers.stop()
        after.look(platform, months, places, chaos.violation, chaos.flows)
        seconds = time.monotonic() - started
        report(chaos, readers, seconds)
        return keep(chaos, readers, seconds, options.output)


if __name__ == "__main__":
    sys.exit(main())
