"""What is known about New York's trip records: datasets, months, columns, rules, names. No I/O, no Prefect."""
