"""What is sent to a target, what is held back, and what is remembered."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.emitters.outbox import (
    BACKFILL,
    GIVE_UP_AFTER,
    REVISED,
    SUPERSEDED,
    WITHDRAWN,
    Decisions,
    Handled,
    Journal,
    Policy,
    decide,
    suppressed_row,
)
from ctanalytics.findings import SEVERITIES, STATES, severity_rank
from tests.emitters import alerts
from tests.emitters.alerts import NOW, alert

POLICY = Policy("medium", dt.timedelta(hours=24))
WITH_BACKFILL = Policy("medium", dt.timedelta(hours=24), include_backfill=True)
LONG_AGO = {
    "started_at": NOW - dt.timedelta(hours=30),
    "ended_at": NOW - dt.timedelta(hours=24, seconds=1),
}


def handled(state: str, revision: int, outcome: str, **more: Any) -> Handled:
    return Handled(state, revision, outcome, more.get("reason"), more.get("attempts", 1))


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
            {}, [handled("closed", 1, "failed", attempts=2)], POLICY, "send", id="failed-before"
        ),
        pytest.param(
            {},
            [handled("closed", 1, "failed", attempts=GIVE_UP_AFTER)],
            POLICY,
            "already",
            id="given-up",
        ),
        pytest.param(
            {"revision": 2},
            [handled("closed", 1, "failed", attempts=GIVE_UP_AFTER)],
            POLICY,
            "send",
            id="revised-after-given-up",
        ),
    ],
)
def test_one_anomaly_is_decided(
    columns: dict[str, Any], before: list[Handled], policy: Policy, expected: str
) -> None:
    one = alert(**columns)
    found = decide([one], {one.anomaly_id: before}, policy)
    assert verdict(found) == expected


def verdict(found: Decisions) -> str:
    if found.send:
        return "update" if found.send[0].is_update else "send"
    if found.suppress:
        return found.suppress[0][1]
    return "already" if found.already else "ignore"


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


@settings(deadline=None)
@given(
    st.sampled_from(SEVERITIES),
    st.sampled_from(STATES),
    st.integers(1, 4),
    st.lists(
        st.builds(
            handled,
            st.sampled_from(STATES),
            st.integers(1, 4),
            st.sampled_from(("sent", "failed", "suppressed")),
            reason=st.sampled_from((None, BACKFILL, REVISED)),
            attempts=st.integers(0, 6),
        ),
        max_size=5,
        unique_by=lambda one: (one.state, one.revision),
    ),
    st.booleans(),
)
def test_what_was_sent_in_a_state_is_never_sent_in_that_state_again(
    severity: str, state: str, revision: int, before: list[Handled], backfill: bool
) -> None:
    one = alert(severity=severity, state=state, revision=revision)
    policy = Policy("medium", dt.timedelta(hours=24), backfill)
    found = decide([one], {one.anomaly_id: before}, policy)
    outcomes = len(found.send) + len(found.suppress) + found.already
    assert outcomes == (severity_rank(severity) >= severity_rank("medium"))
    if any(old.state == state and old.outcome == "sent" for old in before):
        assert not found.send


def test_journaled_rows_are_folded_once_and_the_journal_is_empty_then(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake")
    journal = Journal(lake, "file:/x")
    other = Journal(lake, "file:/y")
    journal.write([suppressed_row("file:/x", alert("a"), REVISED, NOW)])
    journal.write([suppressed_row("file:/x", alert("b"), REVISED, NOW)])
    other.write([suppressed_row("file:/y", alert("a"), REVISED, NOW)])
    journal.fold([suppressed_row("file:/x", alert("c"), REVISED, NOW)])
    journal.fold()
    assert [row["target"] for row in alerts.outbox(lake)] == ["file:/x"] * 3
    assert lake.table("outbox").version() == 1
    assert len(list(lake.store.list("journal/"))) == 1
    assert alerts.outbox(lake)[0]["at"] == NOW
