"""Made-up months that look like TLC's."""
