"""The commands of `ctanalytics queries`."""
