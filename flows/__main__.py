"""``python -m flows``: the command line."""

from flows.cli.app import main

if __name__ == "__main__":
    main()
