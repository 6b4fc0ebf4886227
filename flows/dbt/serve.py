"""The process that runs dbt, with the models' environment: ``process.py`` starts it and writes requests to it.

It ends at once if its standard input ends before it was told to: then who started it is gone.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from importlib.util import find_spec

from flows.dbt.request import DbtAnswer, DbtRequest

_END = "end\n"


def main() -> None:
    """Answer requests until told to end."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    # The answers have the standard output for themselves: whatever else is printed goes to the log.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        import flows.dbt.run  # noqa: PLC0415 - dbt takes seconds to import: while nobody has asked for anything yet

        while (line := requests.get()) != _END:
            answers.write(_answer(DbtRequest.model_validate_json(line)).model_dump_json() + "\n")
            answers.flush()
        flows.dbt.run.tell_prefect()
    # Nothing is left to do, and Python's own way out takes seconds, and has DuckDB print what it did not free.
    sys.stderr.flush()
    os._exit(0)


def _listen(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
        if line == _END:
            return
    os._exit(1)


def _answer(request: DbtRequest) -> DbtAnswer:
    from flows.dbt.run import run_dbt  # noqa: PLC0415 - see main

    engine = request.environment["TLC_MODELS_ENGINE"]
    if find_spec(f"dbt.adapters.{engine}") is None:
        return DbtAnswer(
            error=f"dbt has no adapter for {engine}: run 'make models BIGQUERY=1' once, or install the extra: pip "
            "install 'nyc-taxi-flows[models-bigquery]'."
        )
    try:
        return run_dbt(request)
    except Exception as error:  # it is told where the request came from
        return DbtAnswer(error=f"dbt could not run: {type(error).__name__}: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
