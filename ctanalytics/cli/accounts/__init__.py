"""The commands of `ctanalytics accounts`."""
