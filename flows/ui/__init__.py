"""What a run shows in Prefect: artifacts, charts, progress, events and assets, cancellation."""
