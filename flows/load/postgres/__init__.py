"""Postgres: one partition a month."""
