"""One module a way into Postgres. Each runs in a process of its own, and its last line says what it measured."""
