"""The @task layer: policy (retries, blocks, logs, artifacts) around plain functions, and no decisions."""
