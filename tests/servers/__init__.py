"""Servers on loopback that tests talk to over real HTTP, in place of the services a pipeline depends on."""
