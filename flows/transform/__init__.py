"""Pure functions: a raw batch becomes a conformed batch, a rejected batch and counts."""
