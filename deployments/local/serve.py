"""Serve every flow from this process. Imported once the environment is set (``up``)."""

from __future__ import annotations

from prefect import serve

import flows
from blocks.register import register_blocks


def serve_flows() -> None:
    """Register the blocks, deploy every flow under its own name and run what is asked for, until Ctrl-C."""
    register_blocks()
    served = [getattr(flows, name) for name in flows.__all__]
    serve(*(flow.to_deployment(flow.name, tags=["tlc"]) for flow in served), limit=2)
