"""Trips as events: a month of the lake into a topic, and a topic into Postgres, each event once."""
