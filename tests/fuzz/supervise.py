"""Cases in a process of their own, which may hang, abort or run out of memory: that is a violation too."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from tests.fuzz.cases import KINDS, run_case
from tests.fuzz.judge import Outcome
from tests.fuzz.loads import load_everywhere

# A case has 150 rows, and is judged in some 30 ms.
SECONDS_A_CASE = 10
ADDRESS_SPACE = 4 << 30
GROWTH = 600 << 20


@dataclass
class Tally:
    """How the cases ended."""

    kinds: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, index: int, outcome: Outcome) -> None:
        self.kinds[outcome.kind] += 1
        if outcome.kind == "violation":
            self.violations.append((index, outcome.words))

    def report(self, seed: str, seconds: float) -> str:
        """One line."""
        kinds = ", ".join(f"{rows:,} {kind}" for kind, rows in self.kinds.most_common())
        total = self.kinds.total()
        return (
            f"seed {seed}: {total:,} cases in {seconds:,.0f} s: {kinds}; {len(self.violations):,} violations. "
            f"Again: make fuzz SEED={seed} CASES={total}"
        )


def run_cases(
    seed: str, *, goes_on: Callable[[int], bool], loads_every: int = 0, postgres_url: str = ""
) -> Iterator[tuple[int, Outcome]]:
    """Cases 0, 1, 2 … as long as ``goes_on`` says so of the next, in a worker that is replaced when it is lost."""
    index = 0
    while goes_on(index):
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=_work, args=(theirs, seed, loads_every, postgres_url), daemon=True)
        worker.start()
        theirs.close()
        try:
            while goes_on(index):
                ours.send(index)
                outcome = _answer(ours, SECONDS_A_CASE + (30 if loads_every or index == 0 else 0))
                yield index, outcome
                index += 1
                if outcome.kind == "violation" and outcome.words.startswith("lost"):
                    break
        finally:
            worker.kill()
            worker.join()


def _answer(worker: Connection, seconds: float) -> Outcome:
    started = time.monotonic()
    try:
        if worker.poll(seconds):
            return worker.recv()
    except (EOFError, ConnectionResetError):
        return Outcome("violation", "lost: the process aborted")
    return Outcome("violation", f"lost: no answer after {time.monotonic() - started:.0f} s")


def _work(parent: Connection, seed: str, loads_every: int, postgres_url: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        index = parent.recv()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        loads = loads_every and index // len(KINDS) % loads_every == 0  # one case of each kind, and so on
        outcome = run_case(seed, index, (lambda case: load_everywhere(case, postgres_url)) if loads else _no_more)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        if grown > GROWTH:
            outcome = Outcome("violation", f"memory: {grown >> 20} MB more; {outcome.kind} {outcome.words}")
        parent.send(outcome)


def _no_more(_case: object) -> str:
    return ""
