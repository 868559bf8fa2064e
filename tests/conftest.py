"""What all tests share."""

from __future__ import annotations

import gc
import sys

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: machines are shared, and a slow second says nothing about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Jupyter brings it along, and jsonschema (which Altair imports) then loads its forty grammars, which
# takes longer than all else. Who installs ctanalytics alone has none; nor have these processes.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# What is imported, and most of what the local AWS server holds, stays to the end: to walk through
# all of it again and again took a seventh of the time of the server's tests. What a test leaves is
# young, and is collected as ever.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(700, 10, 200)
    gc.enable()
