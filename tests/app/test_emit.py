"""The verb emit on a real lake: once to each target, whatever happens in between."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.emit import EmitResult, TargetResult, emit
from ctanalytics.emitters.deciding import BACKFILL, GIVE_UP_AFTER, REVISED
from ctanalytics.emitters.sns import ENTRIES
from ctanalytics.errors import EmitError, LakeMissing, SettingsError, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Emit, Settings
from tests.aws_server import Server, aws_server, environment, sns_error
from tests.emitters import alerts
from tests.emitters.alerts import NOW, add, deliveries, outbox, row
from tests.emitters.test_cloudwatch import NAMESPACE, sums
from tests.emitters.test_sns import entries_failed, topic


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def to(lake: Lake, *targets: str, **arguments: Any) -> EmitResult:
    return emit(lake, targets, now=NOW, **arguments)


def counts(result: TargetResult) -> tuple[int, int, int, int]:
    return result.sent, result.suppressed, result.failed, result.already


def lines(path: Path) -> list[str]:
    return [json.loads(line)["title"][-2] for line in path.read_text().splitlines()]


def test_each_anomaly_goes_to_each_target_once(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b"), row("c", severity="low"))
    first, second = f"file:{tmp_path}/1", f"file:{tmp_path}/2"
    assert [counts(one) for one in to(lake, first).targets] == [(2, 0, 0, 0)]
    assert [counts(one) for one in to(lake, first, second).targets] == [(0, 0, 0, 2), (2, 0, 0, 0)]
    add(lake, row("d"))
    assert [counts(one) for one in to(lake, first).targets] == [(1, 0, 0, 2)]
    assert sorted(lines(tmp_path / "1")) == ["a", "b", "d"]
    assert list(lake.store.list("journal/")) == []


def test_less_severe_ones_come_when_they_are_asked_for(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a", severity="info"), row("b", severity="critical"))
    target = f"file:{tmp_path}/x"
    assert to(lake, target, min_severity="critical").targets[0].sent == 1
    assert to(lake, target, min_severity="info").targets[0].sent == 1
    assert lines(tmp_path / "x") == ["b", "a"]


def test_a_late_file_that_moves_an_anomaly_pages_nobody(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"))
    target = f"file:{tmp_path}/x"
    to(lake, target)
    add(lake, row("a", revision=2, score=20.0, started_at=NOW - dt.timedelta(hours=4)))
    assert counts(to(lake, target).targets[0]) == (0, 1, 0, 0)
    assert counts(to(lake, target).targets[0]) == (0, 0, 0, 1)
    assert [(one["revision"], one["outcome"], one["reason"]) for one in outbox(lake)] == [
        (1, "sent", None),
        (2, "suppressed", REVISED),
    ]


def test_an_open_anomaly_is_told_again_when_it_ends(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a", state="open", ended_at=None))
    target = f"file:{tmp_path}/x"
    to(lake, target)
    add(lake, row("a", revision=2, state="open", ended_at=None))
    add(lake, row("a", revision=3))
    assert counts(to(lake, target).targets[0]) == (1, 0, 0, 0)
    states = [json.loads(line)["state"] for line in (tmp_path / "x").read_text().splitlines()]
    assert states == ["open", "closed"]


def test_backfill_is_recorded_and_not_sent_unless_it_is_wanted(tmp_path: Path) -> None:
    old = row("a", started_at=NOW - dt.timedelta(days=3), ended_at=NOW - dt.timedelta(days=2))
    lake = alerts.lake(tmp_path / "lake", old, row("b"))
    target = f"file:{tmp_path}/x"
    assert counts(to(lake, target).targets[0]) == (1, 1, 0, 0)
    assert counts(to(lake, target).targets[0]) == (0, 0, 0, 2)
    reasons = {one["anomaly_id"]: one["reason"] for one in outbox(lake)}
    assert reasons == {row("a")["anomaly_id"]: BACKFILL, row("b")["anomaly_id"]: None}
    assert counts(to(lake, target, include_backfill=True).targets[0]) == (1, 0, 0, 1)
    assert counts(to(lake, target, include_backfill=True).targets[0]) == (0, 0, 0, 2)


def test_since_looks_at_the_time_of_detection(tmp_path: Path) -> None:
    lake = alerts.lake(
        tmp_path / "lake", row("a", detected_at=NOW - dt.timedelta(seconds=1)), row("b")
    )
    to(lake, f"file:{tmp_path}/x", since=NOW)
    assert lines(tmp_path / "x") == ["b"]


def test_a_dry_run_shows_what_would_go_and_changes_nothing(tmp_path: Path, server: Server) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b", severity="critical"))
    arn = topic(server).arn
    targets = (f"file:{tmp_path}/x", f"sns:{arn}", f"cloudwatch:{NAMESPACE}", "stdout")
    out = io.StringIO()
    result = to(lake, *targets, dry_run=True, stdout=out)
    assert [one.preview for one in result.targets] == [
        "would add 2 JSON lines",
        "would publish 2 messages in 1 calls",
        "would write 10 metrics (each distinct one is billed)",
        "would print 2 JSON lines",
    ]
    assert [one["severity"] for one in result.targets[0].alerts] == ["critical", "high"]
    assert (server.requests, out.getvalue(), outbox(lake)) == ([], "", [])
    assert not (tmp_path / "x").exists()


def test_standard_output_is_a_target(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"))
    out = io.StringIO()
    to(lake, "stdout", stdout=out)
    to(lake, "stdout", stdout=out)
    assert len(out.getvalue().splitlines()) == 1


def test_targets_and_severity_come_from_the_settings(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b", severity="critical"))
    chosen = Emit(targets=[f"file:{tmp_path}/x"], min_severity="critical")
    assert emit(lake, settings=Settings(emit=chosen), now=NOW).targets[0].sent == 1


def test_metrics_count_once_and_every_run_reports(tmp_path: Path, server: Server) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b", severity="critical"))
    target = f"cloudwatch:{NAMESPACE}"
    for _ in range(3):
        to(lake, target)
    assert sums(server)[()] == 2
    assert sums(server)[("critical",)] == 1
    assert sums(server, "RunSucceeded") == {(): 3}


def test_one_target_that_fails_leaves_the_others_alone(tmp_path: Path, server: Server) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"))
    missing = topic(server).arn + "-missing"
    result = to(lake, f"sns:{missing}", f"file:{tmp_path}/x")
    assert [counts(one) for one in result.targets] == [(0, 0, 1, 0), (1, 0, 0, 0)]
    assert not result.complete
    assert "NotFound" in str(result.targets[0].reason) or "does not" in str(
        result.targets[0].reason
    )
    # Nothing is lost: as soon as the topic is there, the alert goes.
    to_be = topic(server, "alerts-missing")
    assert counts(to(lake, f"sns:{to_be.arn}").targets[0]) == (1, 0, 0, 0)


def test_a_target_that_lacks_a_region_leaves_the_others_alone(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    lake = alerts.lake(tmp_path / "lake", row("a"))
    result = to(lake, f"cloudwatch:{NAMESPACE}", f"file:{tmp_path}/x")
    assert [counts(one) for one in result.targets] == [(0, 0, 1, 0), (1, 0, 0, 0)]
    with pytest.raises(SettingsError, match="no AWS region"):
        to(lake, f"cloudwatch:{NAMESPACE}")


def test_no_target_that_can_be_reached_is_an_error(tmp_path: Path, server: Server) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"))
    with pytest.raises(EmitError):
        to(lake, f"sns:{topic(server).arn}-missing")


def test_a_refused_alert_is_tried_in_later_runs_and_given_up_at_last(
    tmp_path: Path, server: Server
) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b"))
    at = topic(server)
    first = sorted((row("a")["anomaly_id"], row("b")["anomaly_id"]))[0]

    def refuse(request, passed):  # type: ignore[no-untyped-def]
        form = request.get_data(as_text=True)
        if "PublishBatch" in form and first in form:
            return entries_failed("InvalidParameter", sender=True, places={0})(request, passed)
        return None

    server.disturb.append(refuse)
    assert counts(to(lake, f"sns:{at.arn}").targets[0]) == (1, 0, 1, 0)
    for _ in range(GIVE_UP_AFTER - 1):
        result = to(lake, f"sns:{at.arn}")
        assert counts(result.targets[0]) == (0, 0, 1, 1)
        assert not result.complete
    last = to(lake, f"sns:{at.arn}")
    assert counts(last.targets[0]) == (0, 0, 0, 1)
    assert (last.targets[0].dead, last.complete) == (1, True)
    refused = [(one["outcome"], one["attempts"]) for one in outbox(lake) if one["attempts"] > 1]
    failed = [("failed", number) for number in range(2, GIVE_UP_AFTER)]
    assert sorted(refused) == [("dead_letter", GIVE_UP_AFTER), *failed]
    server.disturb.clear()
    assert counts(to(lake, f"sns:{at.arn}", retry=True).targets[0]) == (1, 0, 0, 1)
    assert deliveries(lake)[first] == ("sent", None, GIVE_UP_AFTER + 1)


def test_a_busy_target_keeps_what_it_took_and_gets_the_rest_next_time(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    lake = alerts.lake(tmp_path / "lake", row("a"), row("b"))
    at = topic(server)
    busy = entries_failed("Throttled", sender=True, places={0})

    def throttle(request, passed):  # type: ignore[no-untyped-def]
        return busy(request, passed) if "PublishBatch" in request.get_data(as_text=True) else None

    server.disturb.append(throttle)
    assert counts(to(lake, f"sns:{at.arn}").targets[0]) == (1, 0, 1, 0)
    server.disturb.clear()
    assert counts(to(lake, f"sns:{at.arn}").targets[0]) == (1, 0, 0, 1)


RUN = """
import sys
from ctanalytics.app.emit import emit
emit(sys.argv[1], [sys.argv[2]])
"""


def run_in_a_process(lake: Lake, target: str, server: Server) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, lake.uri, target]
    return subprocess.Popen(command, env={**os.environ, **environment(server.url)})


def test_a_kill_between_send_and_journal_repeats_at_most_that_call(
    server: Server,
) -> None:
    server.bucket("lake")
    names = [f"{number:02}" for number in range(25)]
    recent = dt.datetime.now(dt.UTC)
    lake = alerts.lake(
        "s3://lake/x",
        *[row(name, detected_at=recent, ended_at=recent, title=name) for name in names],
    )
    at = topic(server)
    processes: list[subprocess.Popen[bytes]] = []
    calls = 0

    def kill_in_the_second_call(request, passed):  # type: ignore[no-untyped-def]
        nonlocal calls
        if request.path != "/" or "PublishBatch" not in request.get_data(as_text=True):
            return None
        calls += 1
        if calls != 2:
            return None
        answer = passed()  # SNS has the messages, and the sender will never hear of it
        os.kill(processes[0].pid, signal.SIGKILL)
        return answer

    server.disturb.append(kill_in_the_second_call)
    processes.append(run_in_a_process(lake, f"sns:{at.arn}", server))
    assert processes[0].wait(timeout=60) == -signal.SIGKILL
    assert outbox(lake) == []  # the first call is in the journal alone
    assert len(list(lake.store.list("journal/"))) == 1
    # Elsewhere only the time tells that a lease's holder is gone; on this machine it is known.
    assert lake.store.exists(f"leases/{lease_name(lake)}.json")

    assert run_in_a_process(lake, f"sns:{at.arn}", server).wait(timeout=60) == 0
    arrived = Counter(message["Subject"].split()[-1] for message in at.received())
    assert set(arrived) == set(names)
    repeated = {name for name, times in arrived.items() if times > 1}
    assert len(repeated) == ENTRIES
    assert max(arrived.values()) == 2
    assert [one["outcome"] for one in outbox(lake)] == ["sent"] * 25
    assert list(lake.store.list("journal/")) == []


def lease_name(lake: Lake) -> str:
    (path,) = (path for path in lake.store.list("leases/") if path.startswith("leases/emit-"))
    return path.removeprefix("leases/").removesuffix(".json")


def test_two_runs_at_a_time_send_each_alert_once(tmp_path: Path, server: Server) -> None:
    recent = dt.datetime.now(dt.UTC)
    lake = alerts.lake(
        tmp_path / "lake",
        *[row(str(n), detected_at=recent, ended_at=recent, title=str(n)) for n in range(15)],
    )
    at = topic(server)
    running = [run_in_a_process(lake, f"sns:{at.arn}", server) for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    arrived = Counter(message["Subject"] for message in at.received())
    assert len(arrived) == 15
    assert set(arrived.values()) == {1}


def test_an_outage_in_mid_run_keeps_what_was_acknowledged(tmp_path: Path, server: Server) -> None:
    lake = alerts.lake(tmp_path / "lake", *[row(str(n)) for n in range(15)])
    at = topic(server)
    calls = iter(range(1))

    def revoke(request, passed):  # type: ignore[no-untyped-def]
        if "PublishBatch" in request.get_data(as_text=True) and next(calls, None) is None:
            return sns_error("AuthorizationError", "not authorized", 403)
        return None

    server.disturb.append(revoke)
    result = to(lake, f"sns:{at.arn}")
    assert counts(result.targets[0]) == (5, 0, 10, 0)
    assert "sns:Publish" in str(result.targets[0].reason)
    server.disturb.clear()
    assert counts(to(lake, f"sns:{at.arn}").targets[0]) == (10, 0, 0, 5)
    assert set(Counter(m["Subject"] for m in at.received()).values()) == {1}


def test_usage_errors_come_before_anything_is_sent(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake", row("a"))
    for targets, arguments in [
        ((), {}),
        (("nowhere",), {}),
        ((f"file:{tmp_path}/x", "sns:x"), {}),
        ((f"file:{tmp_path}/x",), {"min_severity": "worst"}),
    ]:
        with pytest.raises(UsageError):
            to(lake, *targets, **arguments)
    assert not (tmp_path / "x").exists()
    with pytest.raises(LakeMissing):
        emit(str(tmp_path / "no-lake"), ["stdout"])


def test_an_empty_lake_has_nothing_to_send(tmp_path: Path) -> None:
    lake = alerts.lake(tmp_path / "lake")
    assert counts(to(lake, f"file:{tmp_path}/x").targets[0]) == (0, 0, 0, 0)
    assert lake.table("outbox").version() == 0
