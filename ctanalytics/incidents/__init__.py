"""Anomalies that belong together, told as one incident that grows instead of repeating."""
