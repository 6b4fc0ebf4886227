"""``make chaos``: everything that writes, killed and failed at random."""
