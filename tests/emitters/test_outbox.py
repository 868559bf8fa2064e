"""What is remembered of each alert at a target, and what is not lost when a run is killed."""

from __future__ import annotations

from pathlib import Path

from ctanalytics.emitters.base import Outcome
from ctanalytics.emitters.deciding import GIVE_UP_AFTER, QUIET, REVISED, Decisions
from ctanalytics.emitters.outbox import SUMMARISED, Journal, answered, at_the_start, left_over
from ctanalytics.emitters.summary import within
from tests.emitters import alerts
from tests.emitters.alerts import NOW, alert

TARGET = "file:/x"
A, B, C = alert("a"), alert("b"), alert("c")


def test_what_waits_and_what_never_goes_is_recorded_once() -> None:
    decisions = Decisions(send=[A], suppress=[(B, REVISED)], hold=[(C, QUIET)])
    first = at_the_start(TARGET, decisions, NOW)
    assert [(row["anomaly_id"], row["outcome"], row["reason"]) for row in first] == [
        (B.anomaly_id, "suppressed", REVISED),
        (C.anomaly_id, "pending", QUIET),
        (A.anomaly_id, "pending", None),
    ]
    known = Decisions(send=[A], hold=[(C, QUIET)], waiting={A.key: "it was busy", C.key: QUIET})
    assert at_the_start(TARGET, known, NOW) == []


def test_what_is_left_over_says_why_unless_it_said_so_before() -> None:
    decisions = Decisions(send=[A, B, C], attempts={B.key: 2}, waiting={C.key: "busy"})
    rows = left_over(TARGET, decisions, frozenset((A.key,)), "busy", NOW)
    assert [(row["anomaly_id"], row["attempts"], row["reason"]) for row in rows] == [
        (B.anomaly_id, 2, "busy")
    ]


def test_a_refusal_counts_and_the_last_one_makes_a_dead_letter() -> None:
    refused = Outcome("refused", "no")
    for before, outcome in ((0, "failed"), (GIVE_UP_AFTER - 1, "dead_letter")):
        (row,) = answered(TARGET, A, refused, {A.key: before}, NOW)
        assert (row["outcome"], row["reason"], row["attempts"]) == (outcome, "no", before + 1)


def test_a_summary_is_remembered_for_each_alert_it_tells_of() -> None:
    (summary,) = within([A, B, C], 1)[1:]
    rows = answered(TARGET, summary, Outcome("sent", message_id="m"), {}, NOW)
    assert [row["anomaly_id"] for row in rows] == [B.anomaly_id, C.anomaly_id]
    assert {(row["outcome"], row["reason"], row["message_id"]) for row in rows} == {
        ("sent", SUMMARISED, "m")
    }


def test_journaled_rows_are_folded_once_and_the_journal_is_empty_then(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake")
    journal, other = Journal(lake, TARGET), Journal(lake, "file:/y")
    journal.write(answered(TARGET, A, Outcome("sent", message_id="m"), {}, NOW))
    journal.write(answered(TARGET, B, Outcome("sent"), {}, NOW))
    other.write(answered("file:/y", A, Outcome("sent"), {}, NOW))
    journal.fold(at_the_start(TARGET, Decisions(suppress=[(C, REVISED)]), NOW))
    journal.fold()
    assert [row["target"] for row in alerts.outbox(lake)] == [TARGET] * 3
    assert lake.table("outbox").version() == 1
    assert len(list(lake.store.list("journal/"))) == 1
    assert alerts.outbox(lake)[0]["at"] == NOW


def test_the_newest_word_on_an_alert_counts_however_often_it_was_said(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake")
    journal = Journal(lake, TARGET)
    start = at_the_start(TARGET, Decisions(send=[A, B]), NOW)
    sent = answered(TARGET, A, Outcome("sent", message_id="m"), {}, NOW)
    left = left_over(TARGET, Decisions(send=[B]), frozenset(), "busy", NOW)
    journal.fold([*left, *sent, *start])
    journal.fold(sent)  # as after a kill between the commit and the deletion
    assert alerts.deliveries(lake) == {
        A.anomaly_id: ("sent", None, 1),
        B.anomaly_id: ("pending", "busy", 0),
    }
