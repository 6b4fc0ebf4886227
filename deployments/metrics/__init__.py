"""What operators watch, as Prometheus metrics: ``python -m deployments.metrics``. docs/metrics.md has them all."""
