"""Comparing one month in all of its places: pure decisions on plain values."""
