"""Each provider's limits, at the limit: its local server takes what one call is made of."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from werkzeug.wrappers import Request, Response

from ctanalytics.emitters import eventbridge, logs, parse_target, securityhub
from ctanalytics.emitters.base import Account, Alert, Emitter, Outside, Run
from ctanalytics.emitters.delivery import Pace, Tally, deliver
from ctanalytics.emitters.outbox import Row
from ctanalytics.errors import EmitError
from ctanalytics.settings import Aws
from tests.aws_server import ACCOUNT, REGION, Server, aws_server, json_error
from tests.emitters.alerts import NOW, alert, incident

GROUP = "/ctanalytics/alerts"
RECENT = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def emitter(target: str) -> Emitter:
    return parse_target(target, Outside(Aws(), io.StringIO())).emitter


def put(target: str, *alerts: Alert) -> tuple[Tally, list[list[Row]]]:
    """Deliver as a run does; returns the tally and the journal's entries."""
    tally = Tally()
    journal: list[list[Row]] = []
    pace = Pace(sleep=lambda _: None)
    deliver(emitter(target), alerts, {}, journal.append, tally=tally, now=NOW, pace=pace)
    return tally, journal


def sized(count: int, size: int, **columns: Any) -> list[Alert]:
    """Alerts whose evidence holds so many characters."""
    evidence = json.dumps({"event_ids": ["x" * size], "events": 7})
    return [alert(str(n), evidence=evidence, insight=None, **columns) for n in range(count)]


def answering(server: Server, service: str, *answers: Callable[[Any], Response | None]) -> None:
    """Disturb the next calls of a service, which an answer gets as parsed JSON."""
    waiting = list(answers)

    def disturb(request: Request, passed: Callable[[], Response]) -> Response | None:
        if service not in request.headers.get("Authorization", "") or not waiting:
            return None
        return waiting.pop(0)(request.get_json(force=True))

    server.disturb.append(disturb)


# CloudWatch Logs


def log_events(server: Server) -> list[dict[str, Any]]:
    client = server.client("logs")
    found: list[dict[str, Any]] = []
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=GROUP)
    for page in pages:
        found += page["events"]
    return found


def test_log_events_come_in_the_order_of_time_and_in_a_stream_of_their_own(server: Server) -> None:
    server.client("logs").create_log_group(logGroupName=GROUP)
    late = [
        alert(name, detected_at=RECENT - dt.timedelta(hours=hours))
        for name, hours in (("a", 1), ("b", 3), ("c", 2), ("old", 30 * 24))
    ]
    tally, journal = put(f"logs:{GROUP}", *late)
    assert (tally.sent, len(journal)) == (4, 1)
    events = log_events(server)
    assert {event["logStreamName"] for event in events} == {logs.STREAM}
    assert [json.loads(event["message"])["title"][-2:-1] for event in events] == [
        "b",
        "c",
        "a",
        "d",
    ]
    # What CloudWatch would silently drop as too old comes with the time of sending.
    assert events[-1]["timestamp"] > RECENT.timestamp() * 1_000
    put(f"logs:{GROUP}", alert("d"))
    assert len(log_events(server)) == 5


def test_a_call_of_logs_holds_ten_thousand_events_and_a_mebibyte(server: Server) -> None:
    to = emitter(f"logs:{GROUP}")
    tiny = [alert("a", evidence="{}", insight=None, title="", explanation="")] * 10_001
    sizes = [len(batch) for batch in to.batches(tiny)]
    most = logs.MAX_BYTES // (len(logs.fitting(tiny[0], logs.MAX_EVENT_BYTES)) + logs.EVENT_BYTES)
    assert sizes[0] == min(most, logs.MAX_EVENTS)
    huge = sized(9, logs.MAX_EVENT_BYTES)
    cut = logs.fitting(huge[0], logs.MAX_EVENT_BYTES)
    assert json.loads(cut)["shortened"]
    assert json.loads(cut)["evidence"] == {"events": 7}
    server.client("logs").create_log_group(logGroupName=GROUP)
    large = sized(9, 250_000)
    assert [len(batch) for batch in to.batches(large)] == [4, 4, 1]
    tally, journal = put(f"logs:{GROUP}", *large)
    assert (tally.sent, [len(rows) for rows in journal]) == (9, [4, 4, 1])


def test_what_logs_reject_with_an_ok_is_refused(server: Server) -> None:
    server.client("logs").create_log_group(logGroupName=GROUP)
    server.client("logs").create_log_stream(logGroupName=GROUP, logStreamName=logs.STREAM)
    rejected = {
        "rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    }
    answering(
        server, "/logs/", lambda _: Response(json.dumps(rejected), content_type="application/json")
    )
    tally, journal = put(f"logs:{GROUP}", *[alert(name, detected_at=RECENT) for name in "abc"])
    assert [row["outcome"] for row in journal[0]] == ["failed", "sent", "failed"]
    assert "too old" in journal[0][0]["reason"]
    assert "too new" in journal[0][2]["reason"]
    assert (tally.sent, tally.refused) == (1, 2)


def test_a_log_group_that_is_not_there_is_an_error_of_the_target(server: Server) -> None:
    with pytest.raises(EmitError) as caught:
        put(f"logs:{GROUP}", alert())
    assert caught.value.where == f"logs:{GROUP}"


# EventBridge


def bus(server: Server) -> str:
    """A bus whose events come into a queue; returns the queue's URL."""
    events, sqs = server.client("events"), server.client("sqs")
    events.create_event_bus(Name="security")
    url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
    pattern = json.dumps({"source": ["ctanalytics"], "detail": {"severity": ["high"]}})
    events.put_rule(Name="all", EventBusName="security", EventPattern=pattern)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:events"
    events.put_targets(Rule="all", EventBusName="security", Targets=[{"Id": "q", "Arn": arn}])
    return url


def test_a_rule_may_choose_events_by_severity(server: Server) -> None:
    from tests.aws_server import received

    url = bus(server)
    tally, journal = put("eventbridge:security", alert(), alert("b", severity="medium"))
    assert tally.sent == 2
    (event,) = received(server.client("sqs"), url)
    assert (event["source"], event["detail-type"]) == ("ctanalytics", "CloudTrail Anomaly")
    assert event["detail"]["anomaly_id"] == alert().anomaly_id
    assert event["resources"] == [alert().principal_arn]
    assert event["time"].startswith("2024-05-02T06:00:00")
    assert journal[0][0]["message_id"]


def test_a_call_of_eventbridge_holds_ten_events_and_256_kib(server: Server) -> None:
    bus(server)
    _, journal = put("eventbridge:security", *[alert(str(n)) for n in range(11)])
    assert [len(rows) for rows in journal] == [10, 1]
    large = sized(5, 100_000)
    assert [len(batch) for batch in emitter("eventbridge:security").batches(large)] == [2, 2, 1]
    tally, _ = put("eventbridge:security", *large, *sized(1, eventbridge.MAX_BYTES))
    assert tally.sent == 6


def test_only_events_that_eventbridge_was_too_busy_for_are_put_again(server: Server) -> None:
    bus(server)

    def busy(call: Any) -> Response:
        entries: list[dict[str, str]] = [{"EventId": "e0"}]
        entries += [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]
        entries += [{"ErrorCode": "MalformedDetail", "ErrorMessage": "no"}]
        text = json.dumps({"FailedEntryCount": 2, "Entries": entries})
        return Response(text, content_type="application/x-amz-json-1.1")

    again: list[Any] = []
    answering(server, "/events/", busy, again.append)
    tally, journal = put("eventbridge:security", *[alert(name) for name in "abc"])
    assert (tally.sent, tally.refused) == (2, 1)
    (entry,) = again[0]["Entries"]
    assert json.loads(entry["Detail"])["anomaly_id"] == alert("b").anomaly_id
    reasons = {row["anomaly_id"]: row["reason"] for rows in journal for row in rows}
    assert reasons[alert("c").anomaly_id] == "MalformedDetail: no"


# Security Hub


def findings(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.client("securityhub").get_findings()["Findings"]
    return found


def test_a_finding_says_who_did_what_and_a_later_one_updates_it(server: Server) -> None:
    named = replace(alert(), accounts=(Account("111122223333", "payments", "Prod", None, "live"),))
    put("securityhub:", named)
    (finding,) = findings(server)
    assert finding["AwsAccountId"] == ACCOUNT
    assert finding["ProductArn"].endswith(f":{ACCOUNT}:product/{ACCOUNT}/default")
    assert finding["FindingProviderFields"]["Severity"]["Label"] == "HIGH"
    assert finding["RecordState"] == "ACTIVE"
    assert [(one["Type"], one["Id"]) for one in finding["Resources"]] == [
        ("AwsIamRole", "arn:aws:iam::111122223333:role/ci"),
        ("AwsAccount", "AWS::::Account:111122223333"),
    ]
    assert finding["Resources"][1]["Details"]["Other"]["Name"] == "payments"
    assert finding["Action"]["AwsApiCallAction"]["Api"] == "RunInstances"
    put("securityhub:", alert(state="withdrawn", revision=2, is_update=True))
    (later,) = findings(server)
    assert (later["Id"], later["RecordState"]) == (finding["Id"], "ARCHIVED")
    assert later["UpdatedAt"] > finding["UpdatedAt"]


def test_a_call_of_securityhub_holds_a_hundred_findings(server: Server) -> None:
    tally, journal = put("securityhub:", *[alert(str(n)) for n in range(101)])
    assert (tally.sent, [len(rows) for rows in journal]) == (101, [100, 1])
    assert len({row["message_id"] for rows in journal for row in rows}) == 101


def test_a_finding_of_the_widest_incident_keeps_the_limits_of_asff() -> None:
    wide = incident(
        title="t" * 5_000,
        story="ä" * 9_000,
        account_ids=[f"{n:012}" for n in range(400)],
        principal_arns=[f"arn:aws:iam::111122223333:role/{n}" for n in range(400)],
        detectors=["d" * 90] * 9,
        apis=["s" * 300 + ":" + "n" * 300],
    )
    found = securityhub.finding(wide, ACCOUNT, "arn", NOW)
    assert len(json.dumps(found).encode()) < securityhub.MAX_FINDING_BYTES
    assert (len(found["Title"]), len(found["Description"])) == (256, 1_024)
    assert len(found["GeneratorId"]) == 512
    assert len(found["Resources"]) == securityhub.MAX_RESOURCES
    kinds = {one["Type"] for one in found["Resources"]}
    assert kinds == {"AwsIamRole", "AwsAccount"}
    assert all(len(text) <= 2_048 for text in found["ProductFields"].values())
    assert found["FindingProviderFields"]["Types"] == [
        "Unusual Behaviors/User",
        "TTPs/Persistence",
    ]


def test_findings_that_security_hub_did_not_take_are_judged_one_by_one(server: Server) -> None:
    def in_part(call: Any) -> Response:
        ids = [one["Id"] for one in call["Findings"]]
        failed = [
            {"Id": ids[0], "ErrorCode": "InvalidInput", "ErrorMessage": "no"},
            {"Id": ids[1], "ErrorCode": "LimitExceeded", "ErrorMessage": "slow down"},
        ]
        text = {"FailedCount": 2, "SuccessCount": 1, "FailedFindings": failed}
        return Response(json.dumps(text), content_type="application/json")

    answering(server, "/securityhub/", in_part)
    tally, _ = put("securityhub:", *[alert(name) for name in "abc"])
    assert (tally.sent, tally.refused) == (2, 1)


def test_a_hub_that_is_not_switched_on_is_an_error_of_the_target(server: Server) -> None:
    off = "Account is not subscribed to AWS Security Hub"
    answering(server, "/securityhub/", lambda _: json_error("InvalidAccessException", off, 401))
    with pytest.raises(EmitError, match="not subscribed"):
        put("securityhub:", alert())


@pytest.mark.parametrize("target", [f"logs:{GROUP}", "eventbridge:security", "securityhub:"])
def test_a_busy_service_is_asked_again_and_a_denied_call_ends_the_run(
    server: Server, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    server.client("logs").create_log_group(logGroupName=GROUP)
    bus(server)
    service = {"logs": "/logs/", "eventbridge": "/events/"}.get(
        target.partition(":")[0], "/securityhub/"
    )
    throttled = json_error("ThrottlingException", "Rate exceeded", 400)
    answering(server, service, *[lambda _: throttled] * 9)  # more than botocore repeats
    tally, _ = put(target, alert())
    assert tally.sent == 1
    denied = json_error("AccessDeniedException", "no", 400)
    answering(server, service, lambda _: denied)
    with pytest.raises(EmitError, match="access denied"):
        put(target, alert())


def test_previews_count_calls_and_make_none(server: Server) -> None:
    alerts = [alert(str(n)) for n in range(101)]
    for target, says in (
        (f"logs:{GROUP}", "would log 101 events in 1 calls"),
        ("eventbridge:security", "would put 101 events in 11 calls"),
        ("securityhub:", "would import 101 findings in 2 calls"),
    ):
        assert emitter(target).preview(alerts, Run(NOW)) == says
    assert server.requests == []


# All of them: what really goes over the wire

SIZES = (0, 900, 30_000, 61_000, 130_000, 239_000, 262_144, 300_000)


def wide() -> list[Alert]:
    """Alerts of all sizes, with what is more bytes than characters and more than one provider likes."""
    found = [
        alert(
            f"{n}-{letter}",
            evidence=json.dumps({"event_ids": [letter * size], "events": 1}),
            explanation=letter * (size // 50),
            title=letter * 300,
            principal_arn=f"arn:aws:iam::111122223333:role/{letter}{n}",
            account_id=None if n % 3 == 0 else "111122223333",
            detected_at=RECENT - dt.timedelta(hours=n),
        )
        for n, size in enumerate(SIZES)
        for letter in ("x", "é", "😀")
    ]
    return found + [alert(f"small {n}", detected_at=RECENT) for n in range(120)]


def sns_call(request: Request) -> None:
    fields = {name: values[0] for name, values in parse_qs(request.get_data(as_text=True)).items()}
    prefixes = {name.rpartition(".")[0] for name in fields if name.endswith(".Id")}
    total = 0
    for prefix in prefixes:
        subject = fields[f"{prefix}.Subject"]
        assert len(subject) < 100
        assert subject.isascii()
        assert subject.isprintable()
        total += len(fields[f"{prefix}.Message"].encode())
        attributes = [name for name in fields if name.startswith(f"{prefix}.MessageAttributes.")]
        assert sum(name.endswith(".Name") for name in attributes) <= 10
        assert all(fields[name] for name in attributes)
        total += sum(len(fields[name].encode()) for name in attributes)
    assert len(prefixes) <= 10
    assert total <= 262_144


def logs_call(request: Request) -> None:
    events = request.get_json(force=True)["logEvents"]
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert times[-1] - times[0] <= 86_400_000
    assert len(events) <= 10_000
    sizes = [len(event["message"].encode()) + 26 for event in events]
    assert max(sizes) <= 262_144
    assert sum(sizes) <= 1_048_576
    assert all(json.loads(event["message"])["alert_id"] for event in events)


def events_call(request: Request) -> None:
    entries = request.get_json(force=True)["Entries"]
    assert len(entries) <= 10
    total = 0
    for entry in entries:
        assert isinstance(json.loads(entry["Detail"]), dict)
        assert len(entry["DetailType"]) <= 128
        assert not entry["Source"].startswith("aws.")
        texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", [])]
        total += 14 + sum(len(text.encode()) for text in texts)
    assert total <= 262_144


def hub_call(request: Request) -> None:
    found = request.get_json(force=True)["Findings"]
    assert 1 <= len(found) <= 100
    for one in found:
        assert len(json.dumps(one, ensure_ascii=False).encode()) <= 240_000
        assert 1 <= len(one["Title"]) <= 256
        assert 1 <= len(one["Description"]) <= 1_024
        assert 1 <= len(one["Resources"]) <= 32
        assert len(one["ProductFields"]) <= 50
        assert all(
            len(key) <= 128 and len(text) <= 2_048 for key, text in one["ProductFields"].items()
        )
        assert one["UpdatedAt"].endswith("Z")


@pytest.mark.parametrize(
    ("target", "mark", "check"),
    [
        pytest.param("sns:", "/sns/", sns_call, id="sns"),
        pytest.param(f"logs:{GROUP}", "/logs/", logs_call, id="logs"),
        pytest.param("eventbridge:security", "/events/", events_call, id="eventbridge"),
        pytest.param("securityhub:", "/securityhub/", hub_call, id="securityhub"),
    ],
)
def test_no_call_breaks_a_limit_of_its_provider(
    server: Server, target: str, mark: str, check: Callable[[Request], None]
) -> None:
    server.client("logs").create_log_group(logGroupName=GROUP)
    bus(server)
    if target == "sns:":
        target += server.client("sns").create_topic(Name="alerts")["TopicArn"]
    faults: list[AssertionError] = []
    calls = 0

    def look(request: Request, passed: Callable[[], Response]) -> None:
        nonlocal calls
        if mark not in request.headers.get("Authorization", ""):
            return
        text = request.get_data(as_text=True)
        if not any(name in text for name in ("PublishBatch", "logEvents", "Entries", "Findings")):
            return
        calls += 1
        try:
            check(request)
        except AssertionError as error:
            faults.append(error)

    server.disturb.append(look)
    alerts = wide()
    tally, _ = put(target, *alerts)
    assert faults == []
    assert calls > 1
    assert tally.sent == len(alerts)
