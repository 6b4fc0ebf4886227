"""How the project runs: work pools, automations, infrastructure, and the local platform."""
