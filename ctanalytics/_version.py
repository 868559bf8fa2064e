"""The version, read by the build and by `ctanalytics --version`."""

__version__ = "0.1.0"
