"""What is said of anomalies, by people and by the allow-list, and what `explain` tells of them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.detect import DetectResult, run
from ctanalytics.app.explain import explain
from ctanalytics.app.mark import mark
from ctanalytics.detectors.allowed import allowed
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.errors import UsageError
from ctanalytics.findings import ANOMALIES, anomaly_id
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Allow, Detect
from tests.app.test_detect import MINUTE, NOON, NOW, add, burst, call

KEY = "principal|arn:aws:iam::111122223333:user/dora"
SQL = """
select * from events
where event_date >= date '2026-03-20' and event_date <= date '2026-03-20'
  and event_time >= timestamptz '2026-03-20 12:00:00+00'
  and event_time < timestamptz '2026-03-20 13:00:00+00'
"""
DORA = Allow(reason="dora's batch", principal="*:user/dora")
ID = anomaly_id("told", "behaviour", KEY, NOON)


def told(context: Context, _: Window) -> DetectorResult:
    """One anomaly about all events of an hour."""
    found = context.engine.sql(f"select event_id from ({SQL}) order by event_time")
    ids = found["event_id"].to_pylist()
    feature = {
        "feature": "secret_calls",
        "surprise": 4.2,
        "value": 41,
        "own_most": 0,
        "own_median": 0,
        "peers": 23,
        "peers_most": 2,
        "peers_median": 0,
        "names": ["GetSecretValue"],
    }
    row: dict[str, Any] = {
        "anomaly_id": ID,
        "state": "closed",
        "revision": 1,
        "detector": "told",
        "kind": "behaviour",
        "severity": "high",
        "score": 4.0,
        "p_value": 0.0001,
        "started_at": NOON,
        "ended_at": NOON + 5 * MINUTE,
        "principal_arn": "arn:aws:iam::111122223333:user/dora",
        "series_key": KEY,
        "title": "user dora read secrets",
        "explanation": "user dora read secrets 41 times; in the 30 days before it never did.",
        "evidence": json.dumps(
            {"event_ids": ids[:100], "events": len(ids), "sql": SQL, "features": [feature]}
        ),
        "detected_at": context.now,
    }
    return DetectorResult(pa.Table.from_pylist([row], ANOMALIES))


def judge(lake: Lake, *allow: Allow, now: dt.datetime = NOW) -> DetectResult:
    settings = Detect(allow=list(allow))
    return run(
        lake,
        {"told": told},
        settings=settings,
        since=None,
        until=None,
        now=now,
        executor=LocalExecutor(1),
    )


def verdict(lake: Lake) -> tuple[str | None, str | None]:
    with lake.engine() as engine:
        (row,) = engine.sql("select verdict, verdict_note from anomalies").to_pylist()
    return row["verdict"], row["verdict_note"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A burst at noon from one address, and one call from elsewhere."""
    place = tmp_path_factory.mktemp("mark") / "lake"
    elsewhere = call(NOON + MINUTE / 2, "TagResource", sourceIPAddress="198.51.100.7")
    late = call(NOON + 120 * MINUTE)
    made = add(place, "a.json.gz", [*burst(NOON, 2), elsewhere, late])
    judge(made)
    return made


@pytest.mark.parametrize(
    ("entry", "covers"),
    [
        pytest.param(DORA, True, id="principal"),
        pytest.param(Allow(reason="x", principal="*:user/do"), False, id="another-principal"),
        pytest.param(Allow(reason="x", api="ec2.amazonaws.com:*"), True, id="all-of-a-service"),
        pytest.param(Allow(reason="x", api="ec2.amazonaws.com:Run*"), False, id="part-of-it"),
        pytest.param(Allow(reason="x", network="203.0.113.0/24"), False, id="one-event-elsewhere"),
        pytest.param(Allow(reason="x", network="192.0.0.0/2"), True, id="wide-network"),
        pytest.param(Allow(reason="x", account="444455556666"), False, id="another-account"),
        pytest.param(
            Allow(reason="x", principal="*", until="2026-03-20T12:01:00"), False, id="over-since"
        ),
        pytest.param(Allow(reason="x", principal="*", until="2026-03-21"), True, id="not-yet-over"),
        pytest.param(Allow(reason="x", principal="%user_dora"), False, id="no-wildcards-of-sql"),
    ],
)
def test_an_entry_allows_an_anomaly_when_it_covers_every_event(
    lake: Lake, entry: Allow, covers: bool
) -> None:
    with lake.engine() as engine:
        (row,) = engine.sql("from lake.anomalies").to_pylist()
        assert allowed(engine, row, [entry]) == (entry.reason if covers else None)
        assert allowed(engine, row | {"kind": "stop"}, [entry]) is None


def test_entries_cover_together_and_are_counted_until_they_end(lake: Lake) -> None:
    net = Allow(reason="office", network="203.0.113.0/24")
    tags = Allow(reason="tags", api="ec2.amazonaws.com:TagResource")
    result = judge(lake, net, tags)
    assert result.allowed == 1
    assert "1 anomaly allowed, not sent: office; tags" in result.notes
    assert verdict(lake) == ("allowed", "office; tags")
    assert judge(lake).allowed == 0
    assert verdict(lake) == (None, None)


def test_a_persons_word_stands_and_can_be_taken_back(lake: Lake) -> None:
    said = mark(ID[:8], lake, "confirmed", note="red team", by="ana", now=NOW)
    assert (said.anomaly_id, said.marked_by, said.title) == (ID, "ana", "user dora read secrets")
    assert judge(lake, DORA).allowed == 0
    assert verdict(lake) == ("confirmed", "red team")
    # Two marks within a second: the later one counts.
    assert mark(ID, lake, "benign", now=NOW).before == "confirmed"
    assert verdict(lake) == ("benign", None)
    mark(ID, lake, "none", now=NOW)
    assert verdict(lake) == (None, None)


@pytest.mark.parametrize("wrong", ["", "zz", "'; drop table events; --"])
def test_an_id_that_fits_nothing_is_said(lake: Lake, wrong: str) -> None:
    with pytest.raises(UsageError, match="there is no anomaly"):
        mark(wrong, lake, "benign")


def test_a_verdict_that_there_is_not_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError):
        mark(ID, lake, "allowed")


def test_explain_tells_the_sentence_facts_events_and_how_to_list_them(lake: Lake) -> None:
    found = explain(ID[:10], lake, events=3)
    assert found.anomaly["explanation"].startswith("user dora read secrets 41 times")
    (fact,) = found.facts
    assert fact == {
        "fact": "read secrets or parameters 41 times (GetSecretValue)",
        "value": "41",
        "before": "at most 0, usually 0",
        "peers": "23: at most 2, usually 0",
        "chance": "1 in 15,000",
    }
    assert [len(found.events), found.event_count, len(found.event_ids)] == [3, 21, 21]
    assert found.events[0]["event_name"] == "RunInstances"
    assert found.sql == SQL
    assert len(found.revisions) == 1


def test_explain_runs_no_statement_that_does_more_than_read(lake: Lake, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with lake.engine() as engine:
        rows = engine.sql("from lake.anomalies").to_pylist()
    for sql in (
        f"select 1) ; copy (select 1) to '{target}'; select * from (select 1",
        "select * from read_text('/etc/hostname')",
        "no sql at all",
    ):
        evil = rows[0] | {
            "anomaly_id": anomaly_id("told", "evil", sql, NOON),
            "evidence": json.dumps({"event_ids": [], "events": 1, "sql": sql}),
            "title": "x\x1b[31m<script>",
        }
        lake.append("anomalies", pa.Table.from_pylist([evil], ANOMALIES))
        found = explain(evil["anomaly_id"], lake)
        assert found.events == []
        assert "no longer runs" in found.notes[0]
    assert not target.exists()
