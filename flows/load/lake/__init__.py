"""The lake: Parquet objects in a Cloud Storage bucket or a local folder, and a manifest a month."""
