"""BigQuery: one load job a month."""
