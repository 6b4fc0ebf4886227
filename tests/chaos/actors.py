"""Actors: each runs one flow after another, with faults, and kills most of them."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field

from tests.chaos.faults import PROCESS, SOURCE, Places, Step, fail_source, needs
from tests.chaos.months import HOMEWORK, MONTHS, Months
from tests.chaos.places import PLACES, begin
from tests.chaos.runs import UNEXPECTED, Run
from tests.e2e.platform import Platform

LONGEST_RUN = 45.0
# A run that nobody kills has ended by then, whatever befell it: retries give up after minutes.
HUNG = 600.0
# So many are killed at any moment of their start; the others once Prefect's server knows of the run.
EARLY = 0.1
TARGETS = ["postgres", "gcs", "bigquery"]
FLOWS = {
    "api_to_postgres": 25,
    "api_to_gcs": 25,
    "gcs_to_bigquery": 20,
    "load_month": 20,
    "backfill": 10,
    "green_taxi_etl": 8,
    "sync_new_months": 4,
    "build_models": 2,
}
COUNTED = ("kills", "faults", "runs", "ends", "events")


@dataclass
class Chaos:
    """The actors, each a run after another, and what has happened so far."""

    seed: int
    platform: Platform
    months: Months
    places: Places
    flows: dict[str, int]
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in COUNTED})
    violations: list[str] = field(default_factory=list)
    unexpected: dict[str, list[int]] = field(default_factory=dict)  # the steps with each
    number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Held by a run with limits: it must not be the one that starts Postgres again, which would have them, too.
    limited: threading.Lock = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)

    def violation(self, text: str) -> None:
        """Remember it with what is needed to repeat it; each kind once a step."""
        with self._lock:
            told = f"seed {self.seed}, step {self.number}: {text}"
            if told not in self.violations:
                self.violations.append(told)
                print(f"VIOLATION {told}", flush=True)

    def count(self, kind: str, name: str) -> None:
        with self._lock:
            self.counts[kind][name] += 1

    def act(self) -> None:
        """One step after another until the time is up."""
        while not self.done.is_set():
            with self._lock:
                self.number += 1
                number = self.number
            try:
                self.take(number)
            except Exception as error:
                self.violation(f"step {number} itself: {type(error).__name__}: {error}")

    def take(self, number: int) -> None:
        dice = random.Random(f"{self.seed} {number}")
        flow = dice.choices(list(self.flows), list(self.flows.values()))[0]
        dataset, month = HOMEWORK if flow == "green_taxi_etl" else dice.choice(MONTHS)
        step = Step(number, dice, self.months, self.places, dataset, month)
        if dice.random() < 0.3:
            self.months.publish(dataset, month, dice)
            self.count("events", "month published anew")
        chosen = self.choose(step)
        limited = any(name in PROCESS for name in chosen)
        with self.limited if limited else nullcontext():
            self.run(step, flow, chosen)

    def choose(self, step: Step) -> list[str]:
        """None to three faults at once."""
        amount = step.dice.choices([0, 1, 2, 3], [3, 4, 2, 1])[0]
        pool = [name for name in (*SOURCE, *PROCESS, *PLACES) if needs(name, self.places) is None]
        return step.dice.sample(pool, amount)

    def run(self, step: Step, flow: str, chosen: list[str]) -> None:
        for name in chosen:
            self.count("faults", name)
            if name in SOURCE:
                fail_source(step, name)
            elif name in PROCESS:
                PROCESS[name](step)
        log = self.platform.folder / "runs" / f"{step.number}.log"
        log.write_text(f"{flow} {step.dataset} {step.month} {chosen} {step.child}\n")
        step.run = Run(flow, parameters(flow, step), log, step.child)
        self.count("runs", flow)
        happening = [begin(step, name) for name in chosen if name in PLACES]
        life = step.dice.choice([1.0, 3.0, 3.0, 6.0, None])
        begun = step.dice.random() < EARLY or step.run.has_begun(LONGEST_RUN)
        # Python waits for ever for a thread that had no memory to begin (Thread.start).
        longest = LONGEST_RUN if "out of memory" in chosen else HUNG
        code = step.run.wait(step.dice.uniform(0, life) if life else longest)
        if code is None:
            if life is None and longest == HUNG:
                self.violation(f"{flow} has not ended after {HUNG:.0f} s: {step.run.last_words()}")
            step.run.signal(9)
            self.count("kills", "flow" if begun and step.run.has_begun(0) else "flow that has not begun")
            step.run.wait(10)
        self.judge_end(step, code)
        for thread in happening:
            thread.join()
        self.months.site.heal(step.path)

    def judge_end(self, step: Step, code: int | None) -> None:
        assert step.run
        self.count("ends", "killed" if code is None else f"exit code {code}")
        if code == UNEXPECTED:
            self.unexpected.setdefault(step.run.last_words("ENDED"), []).append(step.number)


def parameters(flow: str, step: Step) -> dict[str, object]:
    """Of the flow, for the step's month."""
    force = step.dice.random() < 0.5
    one = {"dataset": str(step.dataset), "month": str(step.month), "force": force}
    months = [month for dataset, month in MONTHS if dataset == step.dataset]
    return {
        "load_month": one | {"targets": TARGETS},
        "backfill": {
            "dataset": str(step.dataset),
            "start_month": str(months[0]) if months else None,
            "end_month": str(months[-1]) if months else None,
            "targets": TARGETS,
            "max_parallel": 2,
            "force": force,
        },
        "sync_new_months": {"datasets": ["green", "yellow"], "targets": TARGETS, "start_month": "2025-09"},
        "green_taxi_etl": {"months": [str(HOMEWORK[1])]},
        "build_models": {"target": step.dice.choice(["postgres", "bigquery"])},
    }.get(flow, one)
