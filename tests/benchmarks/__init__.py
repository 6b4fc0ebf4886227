"""How fast a month gets into Postgres, beside the server's limit and the usual ways: ``python -m tests.benchmarks``."""
