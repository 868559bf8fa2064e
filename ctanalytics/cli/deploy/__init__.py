"""`ctanalytics deploy …`."""
