"""One module a system that holds trips. Each is given a client, never a block."""
