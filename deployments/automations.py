"""``python -m deployments.automations``: make Prefect's automations what the code says."""

from deployments.server.automations import main

if __name__ == "__main__":
    main()
