"""From a URL to record batches: download whole files safely, read them piece by piece."""
