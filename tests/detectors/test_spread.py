"""Which dates make a part, and when there is nothing worth to be spread."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ctanalytics.detectors.spread import Spread, cut
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.lake import Lake
from tests.detectors.organization import START, calls, minute

FIRST = START.date()


def days(*numbers: int) -> list[dt.date]:
    return [FIRST + dt.timedelta(days=number) for number in numbers]


@pytest.mark.parametrize(
    ("sized", "parts"),
    [
        pytest.param([(0, 5), (1, 5), (2, 5)], [[0, 1], [2]], id="as-much-as-fits"),
        pytest.param([(0, 50), (1, 1), (2, 1)], [[0], [1, 2]], id="a-date-is-never-cut"),
        pytest.param([(0, 1), (2, 1), (3, 1)], [[0], [2, 3]], id="dates-in-a-row"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_dates_are_cut_by_bytes(sized: list[tuple[int, int]], parts: list[list[int]]) -> None:
    dated = [(days(number)[0], size) for number, size in sized]
    assert list(cut(dated, 10)) == [days(*numbers) for numbers in parts]


def test_what_is_no_more_than_a_part_is_not_spread(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append("events", calls([minute(0), minute(2), minute(3)], "RunInstances"))
    with lake.engine() as engine:
        derived = Derived.open(lake)
        spread = Spread(engine, LocalExecutor(1), derived, 1 << 20)
        # Dates with a hole between them would be two parts, of next to nothing.
        assert spread.parts(days(0, 2)) == []
        small = Spread(engine, LocalExecutor(1), derived, 1)
        assert small.parts(days(3, 0, 2)) == [days(0), days(2), days(3)]
        assert small.parts(days(3)) == []
        second, third = days(2, 3)
        named = small.session(second, third)["tables"]["events"]["files"]
        assert [file.split("event_date=")[1][:10] for file in named] == ["2026-03-04", "2026-03-05"]
        nowhere = Spread(engine, LocalExecutor(1), Derived(), 1)
        assert nowhere.parts(days(0, 2)) == []
