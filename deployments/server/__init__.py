"""Bringing a Prefect server to what the checkout says: blocks, pools, limits, deployments, automations."""
