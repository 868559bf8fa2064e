"""Incidents: built from anomalies, listed, shown."""
