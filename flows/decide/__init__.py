"""Pure decisions on plain values: no I/O, no Prefect."""
