"""``python -m deployments.apply``: bring a Prefect server to what the checkout says."""

from deployments.server.apply import main

if __name__ == "__main__":
    main()
