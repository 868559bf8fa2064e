"""The Parquet lake: log files decoded, deduplicated and committed exactly once."""
