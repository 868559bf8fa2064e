from __future__ import annotations

import pytest

from ctanalytics.engines import statements


@pytest.mark.parametrize("name", statements.names("detectors"))
def test_every_statement_on_events_bounds_date_and_time(name: str) -> None:
    text = statements.statement(name)
    assert "from events" in text
    for bound in (
        "event_date >= $since_date",
        "event_date <= $until_date",
        "event_time >= $since",
        "event_time < $until",
    ):
        assert bound in text
