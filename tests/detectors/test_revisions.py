from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.detectors.base import Window
from ctanalytics.detectors.revisions import Changes, Published, Run, revise
from ctanalytics.findings import ANOMALIES, TIMESTAMP, anomaly_id

DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
HISTORY = pa.schema(
    [
        ("anomaly_id", pa.string()),
        ("detector", pa.string()),
        ("published_at", TIMESTAMP),
        ("revised_at", TIMESTAMP),
    ]
)


def at(minute: int) -> dt.datetime:
    """A minute of the day; negative ones lie before it."""
    return DAY + dt.timedelta(minutes=minute)


def surge(start: int, end: int | None, **columns: Any) -> dict[str, Any]:
    """What a detector says about one series; open without an end."""
    detector, key = columns.get("detector", "call_rate"), columns.get("series_key", "s")
    identity = anomaly_id(detector, "surge", key, at(start))
    return {
        "anomaly_id": identity,
        "state": "open" if end is None else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": detector,
        "kind": "surge",
        "severity": "high",
        "score": 7.0,
        "p_value": 1e-7,
        "started_at": at(start),
        "ended_at": None if end is None else at(end),
        "series_key": key,
        "title": "RunInstances surged",
        "explanation": f"from {start} to {end}",
        "evidence": json.dumps({"event_ids": ["e1"], "events": 1, "sql": "select 1"}),
        "insight": None,
        "detected_at": at(1_440),
    } | columns


class Book:
    """The table of anomalies of a lake, as revisions are appended to it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def run(
        self,
        *found: dict[str, Any],
        since: int = 0,
        until: int = 1_440,
        logs_until: int | None = None,
        now: int | None = None,
        detectors: Sequence[str] = ("call_rate",),
    ) -> Changes:
        """Revise and append; by default the logs end with the window, and now is soon after."""
        end = until if logs_until is None else logs_until
        run = Run(
            Window(at(since), at(until)),
            at(end),
            at(end + 15 if now is None else now),
            frozenset(detectors),
        )
        changes = revise(pa.Table.from_pylist(list(found), ANOMALIES), self.published(), run)
        self.rows += changes.rows.to_pylist()
        return changes

    def published(self) -> Published:
        history = [
            {
                "anomaly_id": identity,
                "detector": rows[0]["detector"],
                "published_at": min(row["detected_at"] for row in rows),
                "revised_at": max(row["detected_at"] for row in rows),
            }
            for identity, rows in self.by_id().items()
        ]
        newest = [rows[-1] for rows in self.by_id().values()]
        return Published(
            pa.Table.from_pylist(newest, ANOMALIES), pa.Table.from_pylist(history, HISTORY)
        )

    def by_id(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            found.setdefault(row["anomaly_id"], []).append(row)
        return found

    def live(self) -> list[dict[str, Any]]:
        newest = (rows[-1] for rows in self.by_id().values())
        return [row for row in newest if row["state"] != "withdrawn"]


def counts(changes: Changes) -> tuple[int, int, int]:
    return changes.new, changes.updated, changes.withdrawn


def test_what_is_new_is_stored_once() -> None:
    book = Book()
    assert counts(book.run(surge(600, 660))) == (1, 0, 0)
    assert counts(book.run(surge(600, 660), now=1_500)) == (0, 0, 0)
    (row,) = book.rows
    assert (row["anomaly_id"], row["revision"]) == (surge(600, 660)["anomaly_id"], 1)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(570, 640, id="overlapping"),
        pytest.param(660, 700, id="touching"),
        pytest.param(720, 730, id="an-hour-later"),
        pytest.param(500, 540, id="an-hour-earlier"),
    ],
)
def test_a_moved_anomaly_keeps_its_id_in_a_new_revision(start: int, end: int) -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run(surge(start, end))) == (0, 1, 0)
    assert [row["revision"] for row in book.rows] == [1, 2]
    assert book.rows[0]["anomaly_id"] == book.rows[1]["anomaly_id"]
    assert (book.rows[1]["started_at"], book.rows[1]["ended_at"]) == (at(start), at(end))


@pytest.mark.parametrize("start", [721, 800])
def test_more_than_an_hour_away_is_another_anomaly(start: int) -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run(surge(600, 660), surge(start, start + 10))) == (1, 0, 0)
    assert len({row["anomaly_id"] for row in book.rows}) == 2


@pytest.mark.parametrize(
    "other",
    [{"series_key": "t"}, {"kind": "stop"}, {"detector": "error_rate"}],
    ids=lambda other: next(iter(other)),
)
def test_another_series_kind_or_detector_is_another_anomaly(other: dict[str, str]) -> None:
    book = Book()
    both = ("call_rate", "error_rate")
    book.run(surge(600, 660), detectors=both)
    changes = book.run(surge(600, 660), surge(600, 660, **other), detectors=both)
    assert counts(changes) == (1, 0, 0)


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"severity": "medium"}, True),
        ({"score": 7.1}, True),
        ({"score": 7.0000001}, False),
        ({"title": "other"}, False),
        ({"explanation": "other"}, False),
        ({"evidence": '{"event_ids": ["e2"], "events": 1}'}, False),
        ({"evidence": '{"event_ids":["e1"],"events":1,"sql":"select 1"}'}, False),
        ({"p_value": 0.5}, False),
        ({"detected_at": at(5_000)}, False),
    ],
)
def test_only_what_matters_makes_a_revision(change: dict[str, Any], matters: bool) -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run(surge(600, 660, **change))) == (0, int(matters), 0)


def test_an_open_anomaly_closes_under_its_id() -> None:
    book = Book()
    book.run(surge(600, None), until=630)
    assert counts(book.run(surge(600, 660))) == (0, 1, 0)
    assert [row["state"] for row in book.rows] == ["open", "closed"]
    assert len(book.by_id()) == 1


def test_the_nearest_of_several_keeps_its_id() -> None:
    book = Book()
    book.run(surge(600, 610), surge(700, 710))
    far, near = (row["anomaly_id"] for row in book.rows)
    book.run(surge(665, 690), now=9_000)  # the far one is published for good
    assert [(row["anomaly_id"], row["revision"]) for row in book.rows[2:]] == [(near, 2)]
    assert {row["anomaly_id"] for row in book.live()} == {far, near}


def test_the_younger_of_two_that_one_swallows_is_superseded() -> None:
    book = Book()
    book.run(surge(600, 640), surge(720, 760))
    older, younger = (row["anomaly_id"] for row in book.rows)
    assert counts(book.run(surge(615, 760), now=9_000)) == (0, 1, 1)
    kept, taken = book.rows[2:]
    assert (kept["anomaly_id"], kept["superseded_by"]) == (older, None)
    assert (taken["anomaly_id"], taken["state"]) == (younger, "withdrawn")
    assert taken["superseded_by"] == older


def test_a_superseded_anomaly_comes_back_under_its_id_when_they_part_again() -> None:
    book = Book()
    book.run(surge(600, 640), surge(720, 760))
    ids = {row["anomaly_id"] for row in book.rows}
    book.run(surge(600, 760))
    book.run(surge(600, 640), surge(720, 760))
    assert {row["anomaly_id"] for row in book.live()} == ids
    assert [row["superseded_by"] for row in book.live()] == [None, None]


def test_what_is_no_longer_found_is_withdrawn() -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run()) == (0, 0, 1)
    assert book.rows[1]["state"] == "withdrawn"
    assert book.rows[1]["ended_at"] == at(660)
    assert counts(book.run()) == (0, 0, 0)
    assert counts(book.run(surge(610, 660))) == (0, 1, 0)
    assert book.live()[0]["revision"] == 3


@pytest.mark.parametrize(
    "run",
    [
        pytest.param({"now": 1_455 + 3 * 1_440 + 1}, id="published-more-than-three-days-ago"),
        pytest.param({"detectors": ("error_rate",)}, id="by-a-detector-that-did-not-run"),
        pytest.param({"since": 601}, id="begun-before-the-window"),
        pytest.param({"until": 659, "logs_until": 1_440}, id="ended-after-the-window"),
    ],
)
def test_what_a_run_can_not_judge_stays_published(run: dict[str, Any]) -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run(**run)) == (0, 0, 0)


def test_a_revision_does_not_make_a_publication_younger() -> None:
    book = Book()
    book.run(surge(600, 660))
    book.run(surge(600, 670), now=1_455 + 2 * 1_440)
    assert counts(book.run(now=1_455 + 4 * 1_440)) == (0, 0, 0)


def test_an_anomaly_that_began_before_the_window_is_not_cut() -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run(surge(630, 660), since=630)) == (0, 0, 0)
    assert counts(book.run(surge(630, 700), since=630)) == (0, 1, 0)
    assert (book.live()[0]["started_at"], book.live()[0]["ended_at"]) == (at(600), at(700))


def test_an_anomaly_that_ended_after_the_window_is_not_opened_again() -> None:
    book = Book()
    book.run(surge(600, 660))
    assert counts(book.run(surge(600, None), until=630, logs_until=1_440)) == (0, 0, 0)


def test_an_open_anomaly_that_nothing_tells_of_any_more_is_closed() -> None:
    book = Book()
    book.run(surge(600, None), until=630, now=640)
    assert counts(book.run(since=1_000)) == (0, 1, 0)
    (row,) = book.live()
    assert (row["state"], row["ended_at"]) == ("closed", at(640))
    assert counts(book.run(since=1_000)) == (0, 0, 0)


def test_an_open_anomaly_stays_open_for_a_run_that_ends_before_the_logs() -> None:
    book = Book()
    book.run(surge(600, None), until=1_440)
    assert counts(book.run(since=700, until=800, logs_until=1_440)) == (0, 0, 0)
    assert counts(book.run(until=620, logs_until=1_440)) == (0, 0, 0)


LATE = 1_440 * 8


@pytest.mark.parametrize(
    ("found", "is_late"),
    [
        pytest.param(surge(600, 660, series_key="t"), True, id="overlooked-for-days"),
        pytest.param(surge(LATE - 4_000, LATE - 3_990, series_key="t"), False, id="two-days-ago"),
        pytest.param(surge(600, None, series_key="t"), False, id="still-going-on"),
        pytest.param(
            surge(600, 660, detector="error_rate"), False, id="of-a-detector-that-never-ran"
        ),
    ],
)
def test_what_late_logs_bring_up_is_marked(found: dict[str, Any], is_late: bool) -> None:
    book = Book()
    seen = surge(LATE - 2_000, LATE - 1_990)
    book.run(seen, until=LATE)
    both = ("call_rate", "error_rate")
    book.run(seen, found, until=LATE + 60, detectors=both)
    (row,) = book.rows[1:]
    assert json.loads(row["evidence"]).get("late", False) is is_late
    assert counts(book.run(seen, found, until=LATE + 60, detectors=both)) == (0, 0, 0)


def test_insights_records_carry_the_ids_of_the_anomaly_that_was_published() -> None:
    def insight(identity: str) -> str:
        records = {
            "start": {
                "eventID": f"{identity}-1",
                "sharedEventID": identity,
                "insightDetails": {"state": "Start"},
            },
            "end": None,
        }
        return json.dumps(records)

    book = Book()
    book.run(surge(600, 660, insight=insight("a")))
    book.run(surge(610, 660, insight=insight("b")))
    book.run(surge(620, 660, insight=insight("c")))
    _, second, third = (json.loads(row["insight"])["start"] for row in book.rows)
    assert second["sharedEventID"] == third["sharedEventID"] != "b"
    assert second["eventID"] == third["eventID"]
    assert json.loads(book.rows[1]["insight"])["end"] is None


def test_a_new_anomaly_where_a_moved_one_began_gets_an_id_of_its_own() -> None:
    book = Book()
    book.run(surge(600, 610))
    book.run(surge(655, 700))
    book.run(surge(715, 760))
    assert counts(book.run(surge(600, 610), surge(715, 760))) == (1, 0, 0)
    assert len(book.by_id()) == 2


@st.composite
def spans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What a detector may say about two series, spans of one series touching or not."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(-40, 110), st.none() | st.integers(1, 60), st.sampled_from("st")),
            max_size=5,
            unique_by=lambda one: (one[0], one[2]),
        )
    )
    return [
        surge(
            start * 10,
            None if length is None else (start + length) * 10,
            series_key=key,
            score=float(place),
        )
        for place, (start, length, key) in enumerate(pairs)
    ]


RUNS = st.lists(
    st.tuples(
        spans(),
        st.integers(-30, 50),  # since, in tens of minutes
        st.integers(1, 100),  # length of the window
        st.integers(0, 100),  # how far the logs reach beyond it
        st.integers(0, 10_000),  # minutes from there to now
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(RUNS)
def test_running_twice_adds_nothing_and_what_is_found_stands_published(
    runs: list[tuple[list[dict[str, Any]], int, int, int, int]],
) -> None:
    book = Book()
    logs_until = now = -1_000
    for found, since, length, beyond, later in runs:
        until = (since + length) * 10
        logs_until = max(logs_until, until + beyond * 10)  # neither logs nor clocks go back
        now = max(now, logs_until + later)
        # A detector tells what reaches into the window, and knows nothing of what comes after.
        seen = [
            row
            for row in found
            if row["started_at"] < at(until)
            and (row["ended_at"] is None or at(since * 10) < row["ended_at"] <= at(until))
        ]
        _, again = (
            book.run(*seen, since=since * 10, until=until, logs_until=logs_until, now=now)
            for _ in range(2)
        )
        assert again.rows.num_rows == 0
        for row in seen:
            assert any(_covers(one, row) for one in book.live())
    for rows in book.by_id().values():
        assert [row["revision"] for row in rows] == list(range(1, len(rows) + 1))
        assert {row["series_key"] for row in rows} == {rows[0]["series_key"]}


def _covers(live: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether a live anomaly tells of a found one, all of it that was not known to be otherwise."""
    return bool(
        live["series_key"] == found["series_key"]
        and live["started_at"] <= found["started_at"]
        and (
            live["ended_at"] is None
            or found["ended_at"] is None
            or live["ended_at"] >= found["ended_at"]
        )
    )
