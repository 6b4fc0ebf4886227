"""``make down``: end the embedded Postgres."""

from __future__ import annotations

from blocks.embedded import stop_postgres


def main() -> None:
    """Stop it and say so."""
    print("The embedded Postgres has ended." if stop_postgres() else "No embedded Postgres was running.")  # noqa: T201


if __name__ == "__main__":
    main()
