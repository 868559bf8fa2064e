"""What a run says of accounts with little history and of days with holes in their logs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ctanalytics.detectors.history import History
from ctanalytics.detectors.rates import history_notes
from ctanalytics.detectors.series import DAY
from tests.detectors.histories import history

DAYS = 30


def made() -> History:
    return history([np.arange(0, DAYS * DAY, 60)], DAYS, first_day=29)


def test_holes_are_said_with_their_day_and_the_rest_by_their_number() -> None:
    found = made()
    holes = [("111122223333", f"eu-west-{n}", found.first_day, n) for n in range(1, 8)]
    early = ("111122223333", "us-east-1", found.first_day - 1, 4)
    told = history_notes(replace(found, logged=replace(found.logged, holes=[early, *holes])))
    date = found.axis.date(found.first_day)
    assert told[0] == (
        f"111122223333 eu-west-1: 1 hour of {date} have no event where 20 are usual: that day is not "
        "judged, and nothing is learned from it"
    )
    assert len(told) == 6
    assert told[-1] == "and 2 more days with holes in their logs"


def test_young_accounts_are_told_from_when_on_they_are_judged_and_are_sure() -> None:
    found = made()
    first_days = {
        "111122223333": found.first_day - 2,
        "444455556666": found.first_day - 9,
        "777788889999": found.first_day - 14,
    }
    told = history_notes(replace(found, logged=replace(found.logged, first_days=first_days)))
    speaks, sure, old = (found.axis.date(found.first_day + days) for days in (5, 12, 5))
    assert told == [
        f"account 111122223333: too little history before {speaks}; rates are judged from then on (a "
        f"week of logs), provisionally until {sure}",
        f"account 444455556666: rates are provisional until {old} (two weeks of logs)",
    ]
