"""From a file on disk to record batches."""
