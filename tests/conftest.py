"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test is timed: machines are shared, and a slow second says nothing about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
