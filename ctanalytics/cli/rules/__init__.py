"""`ctanalytics rules ...`."""
