"""What is sent to a target, and what is held back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.emitters.deciding import (
    ALLOWED,
    BACKFILL,
    BENIGN,
    GIVE_UP_AFTER,
    MEMBER,
    OFTEN,
    QUIET,
    REPLACED,
    REVISED,
    SUPERSEDED,
    WITHDRAWN,
    Decisions,
    Handled,
    Policy,
    decide,
)
from ctanalytics.emitters.terms import Terms
from ctanalytics.findings import SEVERITIES, STATES, severity_rank
from ctanalytics.settings import Route
from tests.emitters.alerts import NOW, alert, incident

POLICY = Policy(Terms(), NOW, dt.timedelta(hours=24))
WITH_BACKFILL = replace(POLICY, include_backfill=True)
RETRY = replace(POLICY, retry=True)
LONG_AGO = {
    "started_at": NOW - dt.timedelta(hours=30),
    "ended_at": NOW - dt.timedelta(hours=24, seconds=1),
}


def handled(state: str, revision: int, outcome: str, **more: Any) -> Handled:
    columns: dict[str, Any] = {"reason": None, "attempts": 1, "at": NOW - dt.timedelta(hours=1)}
    return Handled(state, revision, outcome, **columns | more)


DEAD = handled("closed", 1, "dead_letter", attempts=GIVE_UP_AFTER)


@pytest.mark.parametrize(
    ("columns", "before", "policy", "expected"),
    [
        pytest.param({}, [], POLICY, "send", id="new"),
        pytest.param({"severity": "low"}, [], POLICY, "ignore", id="below-severity"),
        pytest.param({}, [handled("closed", 1, "sent")], POLICY, "already", id="sent-before"),
        pytest.param(
            {"revision": 2}, [handled("closed", 1, "sent")], POLICY, REVISED, id="revised"
        ),
        pytest.param(
            {"revision": 2, "severity": "critical"},
            [handled("closed", 1, "sent")],
            POLICY,
            REVISED,
            id="revised-and-worse",
        ),
        pytest.param(
            {"revision": 2}, [handled("open", 1, "sent")], POLICY, "update", id="closed-after-open"
        ),
        pytest.param(
            {"revision": 3, "state": "open", "ended_at": None},
            [handled("open", 1, "sent"), handled("closed", 2, "sent")],
            POLICY,
            REVISED,
            id="open-again",
        ),
        pytest.param(
            {"revision": 2, "state": "withdrawn"},
            [handled("closed", 1, "sent")],
            POLICY,
            "update",
            id="withdrawn-after-sent",
        ),
        pytest.param({"state": "withdrawn"}, [], POLICY, WITHDRAWN, id="withdrawn-unsent"),
        pytest.param({"superseded_by": "0" * 32}, [], POLICY, SUPERSEDED, id="superseded"),
        pytest.param({"verdict": "benign"}, [], POLICY, BENIGN, id="called-benign"),
        pytest.param({"verdict": "allowed"}, [], POLICY, ALLOWED, id="allowed"),
        pytest.param({"verdict": "confirmed"}, [], POLICY, "send", id="confirmed"),
        pytest.param(LONG_AGO, [], POLICY, BACKFILL, id="backfill"),
        pytest.param(
            {**LONG_AGO, "ended_at": NOW - dt.timedelta(hours=24)},
            [],
            POLICY,
            "send",
            id="just-not",
        ),
        pytest.param(
            {**LONG_AGO, "state": "open", "ended_at": None}, [], POLICY, "send", id="goes-on"
        ),
        pytest.param(LONG_AGO, [], WITH_BACKFILL, "send", id="backfill-wanted"),
        pytest.param(
            LONG_AGO,
            [handled("closed", 1, "suppressed", reason=BACKFILL)],
            WITH_BACKFILL,
            "send",
            id="backfill-wanted-later",
        ),
        pytest.param(
            {},
            [handled("closed", 1, "suppressed", reason=REVISED)],
            WITH_BACKFILL,
            "already",
            id="suppressed-for-another-reason",
        ),
        pytest.param(
            {**LONG_AGO, "revision": 2},
            [handled("open", 1, "sent")],
            POLICY,
            "update",
            id="late-end-of-a-sent-one",
        ),
        pytest.param(
            LONG_AGO,
            [handled("closed", 1, "pending")],
            POLICY,
            "send",
            id="no-backfill-but-delayed",
        ),
        pytest.param({}, [handled("closed", 1, "failed")], POLICY, "send", id="failed-before"),
        pytest.param({}, [handled("closed", 1, "pending")], POLICY, "send", id="left-over"),
        pytest.param({}, [DEAD], POLICY, "dead", id="given-up"),
        pytest.param({}, [DEAD], RETRY, "send", id="given-up-and-asked-for"),
        pytest.param({"revision": 2}, [DEAD], POLICY, "send", id="revised-after-given-up"),
    ],
)
def test_one_anomaly_is_decided(
    columns: dict[str, Any], before: list[Handled], policy: Policy, expected: str
) -> None:
    one = alert(**columns)
    assert verdict(decide([one], {one.anomaly_id: before}, policy)) == expected


def told(severity: str, state: str = "open", revision: int = 1, hours: float = 1.0) -> Handled:
    at = NOW - dt.timedelta(hours=hours)
    return handled(state, revision, "sent", severity=severity, at=at)


@pytest.mark.parametrize(
    ("columns", "before", "expected"),
    [
        pytest.param({}, [], "send", id="opened"),
        pytest.param({"revision": 2}, [told("high")], REVISED, id="no-graver"),
        pytest.param(
            {"state": "escalated", "severity": "critical", "revision": 2},
            [told("high")],
            "update",
            id="escalated",
        ),
        pytest.param(
            {"state": "escalated", "severity": "critical", "revision": 3},
            [told("high"), told("critical", "escalated", 2)],
            REVISED,
            id="escalated-and-told",
        ),
        pytest.param(
            {"state": "closed", "closed_because": "ended", "revision": 2},
            [told("high")],
            "update",
            id="closed",
        ),
        pytest.param({"state": "closed", "closed_because": "ended"}, [], "send", id="over-at-once"),
        pytest.param(
            {"state": "closed", "closed_because": "ended", "revision": 3},
            [told("high"), told("high", "closed", 2)],
            REVISED,
            id="closed-and-told",
        ),
        pytest.param(
            {"state": "closed", "closed_because": "withdrawn"}, [], WITHDRAWN, id="withdrawn-untold"
        ),
        pytest.param(
            {"state": "closed", "closed_because": "marked", "revision": 2},
            [told("high")],
            "update",
            id="called-benign-after-it-was-told",
        ),
        pytest.param(
            {"state": "closed", "closed_because": "merged", "superseded_by": "1" * 32},
            [told("high")],
            SUPERSEDED,
            id="merged",
        ),
        pytest.param(
            {"state": "escalated", "severity": "critical", "revision": 5},
            [told("low"), told("medium", "escalated", 2), told("high", "escalated", 4)],
            OFTEN,
            id="a-fourth-time-in-a-day",
        ),
        pytest.param(
            {"state": "escalated", "severity": "critical", "revision": 5},
            [
                told("low", hours=25),
                told("medium", "escalated", 2),
                told("high", "escalated", 4),
            ],
            "update",
            id="a-third-time-in-a-day",
        ),
    ],
)
def test_one_incident_is_decided(
    columns: dict[str, Any], before: list[Handled], expected: str
) -> None:
    one = incident(**columns)
    assert verdict(decide([one], {one.anomaly_id: before}, POLICY)) == expected


def verdict(found: Decisions) -> str:
    if found.send:
        return "update" if found.send[0].is_update else "send"
    if found.suppress:
        return found.suppress[0][1]
    if found.dead:
        return "dead"
    return "already" if found.already else "ignore"


def test_what_an_incident_tells_is_not_told_again() -> None:
    one = alert("a")
    found = decide([one, alert("b")], {}, replace(POLICY, members=frozenset((one.anomaly_id,))))
    assert found.suppress == [(one, MEMBER)]
    assert found.send == [alert("b")]


@pytest.mark.parametrize("outcome", ["pending", "failed"])
def test_a_revision_that_waited_gives_way_to_a_later_one(outcome: str) -> None:
    old = {**LONG_AGO, "revision": 2}
    one = alert(**old)
    found = decide([one], {one.anomaly_id: [handled("open", 1, outcome)]}, POLICY)
    assert found.send == [one]
    assert [(gone.key, why) for gone, why in found.suppress] == [
        ((one.anomaly_id, "open", 1), REPLACED)
    ]


def test_an_incident_that_closes_long_after_its_end_is_no_backfill() -> None:
    late = {"state": "closed", "closed_because": "ended", "detected_at": NOW + dt.timedelta(days=3)}
    one = incident(**late, ended_at=NOW, opened_at=NOW)
    assert decide([one], {}, POLICY).send == [one]
    old = incident(**late, ended_at=NOW - dt.timedelta(hours=25), opened_at=NOW)
    assert decide([old], {}, POLICY).suppress == [(old, BACKFILL)]


def test_what_comes_in_quiet_hours_waits_and_keeps_its_attempts() -> None:
    terms = Terms(routes=(Route(quiet_hours="05:00-07:00"),))
    grave = alert("b", severity="critical")
    before = {alert("a").anomaly_id: [handled("closed", 1, "pending", reason=QUIET, attempts=2)]}
    found = decide([alert("a"), grave], before, replace(POLICY, terms=terms))
    assert (found.hold, found.send) == ([(alert("a"), QUIET)], [grave])
    assert (found.attempts, found.waiting) == ({alert("a").key: 2}, {alert("a").key: QUIET})


def test_attempts_of_earlier_runs_are_kept() -> None:
    one = alert()
    found = decide([one], {one.anomaly_id: [handled("closed", 1, "failed", attempts=3)]}, POLICY)
    assert found.attempts == {one.key: 3}


def test_the_most_severe_goes_first_then_the_first_detected() -> None:
    found = decide(
        [
            alert("a", severity="medium", detected_at=NOW - dt.timedelta(hours=1)),
            alert("b", severity="critical"),
            alert("c", severity="medium", detected_at=NOW - dt.timedelta(hours=2)),
        ],
        {},
        POLICY,
    )
    assert [one.title[-2] for one in found.send] == ["b", "c", "a"]


@given(
    st.sampled_from(SEVERITIES),
    st.sampled_from(STATES),
    st.integers(1, 4),
    st.lists(
        st.builds(
            handled,
            st.sampled_from(STATES),
            st.integers(1, 4),
            st.sampled_from(("sent", "failed", "suppressed", "pending", "dead_letter")),
            reason=st.sampled_from((None, BACKFILL, REVISED)),
            attempts=st.integers(0, 6),
        ),
        max_size=5,
        unique_by=lambda one: (one.state, one.revision),
    ),
    st.booleans(),
    st.booleans(),
)
def test_what_was_sent_in_a_state_is_never_sent_in_that_state_again(
    severity: str, state: str, revision: int, before: list[Handled], backfill: bool, retry: bool
) -> None:
    one = alert(severity=severity, state=state, revision=revision)
    policy = replace(POLICY, include_backfill=backfill, retry=retry)
    found = decide([one], {one.anomaly_id: before}, policy)
    kept_back = [reason for _, reason in found.suppress if reason != REPLACED]
    outcomes = len(found.send) + len(kept_back) + found.already + found.dead
    assert outcomes == (severity_rank(severity) >= severity_rank("medium"))
    if any(old.state == state and old.outcome == "sent" for old in before):
        assert not found.send
