"""The view of sensitive calls and the detectors' own list are one."""

from __future__ import annotations

from pathlib import Path

from ctanalytics.detectors.severity import sensitive_calls
from tests import builders


def test_the_view_lists_the_calls_that_detectors_hold_sensitive(tmp_path: Path) -> None:
    with builders.engine(tmp_path) as engine:
        rows = engine.sql("select event_source, event_name from sensitive_apis").to_pylist()
    assert sorted((row["event_source"], row["event_name"]) for row in rows) == sensitive_calls()
