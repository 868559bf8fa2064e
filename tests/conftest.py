"""What all tests share."""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, settings

# No test is timed: machines are shared, and a slow second says nothing about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Jupyter brings it along, and jsonschema (which Altair imports) then loads its forty grammars, which
# takes longer than all else. Who installs ctanalytics alone has none; nor have these processes.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
