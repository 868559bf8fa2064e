from __future__ import annotations

import pytest

from ctanalytics.engines import statements

ON_EVENTS = [
    name for name in statements.names("detectors") if "from events" in statements.statement(name)
]


@pytest.mark.parametrize("name", ON_EVENTS)
def test_every_statement_on_events_bounds_date_and_time(name: str) -> None:
    text = statements.statement(name)
    for bound in (
        "event_date >= $since_date",
        "event_date <= $until_date",
        "event_time >= $since",
        "event_time < $until",
    ):
        assert bound in text
