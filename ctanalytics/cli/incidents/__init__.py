"""The commands of `ctanalytics incidents`."""
