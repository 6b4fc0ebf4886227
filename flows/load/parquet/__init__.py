"""Writing Parquet files with bounded memory."""
