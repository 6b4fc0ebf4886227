"""The command line: ``python -m flows``. Commands ask the flows and tasks; nothing of the project asks them."""
