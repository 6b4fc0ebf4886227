"""Credentials and places as Prefect blocks, and the embedded defaults behind them."""
