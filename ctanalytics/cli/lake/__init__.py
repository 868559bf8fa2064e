"""`ctanalytics lake …`."""
