"""SNS over HTTP: what arrives at a subscriber, within the limits, and what a refusal means."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ctanalytics.emitters import parse_target
from ctanalytics.emitters.base import Alert, Emitter, Outside, Run
from ctanalytics.emitters.delivery import BUSY_TRIES, Pace, Tally, deliver
from ctanalytics.emitters.outbox import Row
from ctanalytics.emitters.sns import ENTRIES, MAX_BYTES
from ctanalytics.errors import EmitError
from ctanalytics.settings import Aws
from tests.aws_server import ACCOUNT, REGION, DroppedError, Server, aws_server, received, sns_error
from tests.emitters.alerts import NOW, alert


@dataclass
class Topic:
    """A topic, and a queue that is subscribed to it."""

    server: Server
    arn: str
    queue_url: str

    def emitter(self) -> Emitter:
        return parse_target(f"sns:{self.arn}", Outside(Aws(), io.StringIO())).emitter

    def received(self) -> list[dict[str, Any]]:
        return received(self.server.client("sqs"), self.queue_url)


def topic(server: Server, name: str = "alerts") -> Topic:
    fifo = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
    sns, sqs = server.client("sns"), server.client("sqs")
    arn = sns.create_topic(Name=name, Attributes=fifo)["TopicArn"]
    queue = {"FifoQueue": "true"} if fifo else {}
    url = sqs.create_queue(QueueName=name, Attributes=queue)["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    server.requests.clear()
    return Topic(server, arn, url)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def publish(emitter: Emitter, *alerts: Alert) -> tuple[Tally, list[list[Row]], list[float]]:
    """Deliver as a run does; returns the tally, the journal's entries and the pauses."""
    journal: list[list[Row]] = []
    pauses: list[float] = []
    tally = Tally()
    pace = Pace(sleep=pauses.append)
    deliver(emitter, alerts, {}, journal.append, tally=tally, now=NOW, pace=pace)
    return tally, journal, pauses


def answer_publishes(server: Server, *answers: Callable[..., Any] | None) -> None:
    """Give these answers to the next PublishBatch calls, None being SNS's own."""
    waiting = list(answers)

    def disturb(request, passed):  # type: ignore[no-untyped-def]
        if "PublishBatch" not in request.get_data(as_text=True) or not waiting:
            return None
        answer = waiting.pop(0)
        return answer and answer(request, passed)

    server.disturb.append(disturb)


def test_a_message_arrives_with_text_json_and_attributes(server: Server) -> None:
    to = topic(server)
    tally, journal, _ = publish(to.emitter(), alert())
    assert (tally.sent, tally.refused) == (1, 0)
    (message,) = to.received()
    assert message["Subject"] == "[HIGH] Surge of RunInstances (a)"
    assert json.loads(message["Message"].rpartition("\n")[2])["anomaly_id"] == alert().anomaly_id
    attributes = {name: value["Value"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {
        "severity": "high",
        "detector": "call_rate",
        "account_id": "111122223333",
        "region": "eu-west-1",
        "event_source": "ec2.amazonaws.com",
        "state": "closed",
        "schema": "1",
        "score": "12.34568",
    }
    assert message["MessageAttributes"]["score"]["Type"] == "Number"
    assert journal[0][0]["message_id"] == message["MessageId"]


def test_a_filter_policy_may_choose_by_severity(server: Server) -> None:
    to = topic(server)
    sns = server.client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=to.arn)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"severity": ["critical"], "score": [{"numeric": [">", 5]}]}),
    )
    publish(to.emitter(), alert("a"), alert("b", severity="critical"))
    assert [message["Subject"][-2] for message in to.received()] == ["b"]


def test_an_attribute_without_a_value_is_left_out_and_one_with_emoji_is_ascii(
    server: Server,
) -> None:
    to = topic(server)
    publish(to.emitter(), alert(account_id=None, event_source="", aws_region="😀"))
    (message,) = to.received()
    assert message["MessageAttributes"].keys() & {"account_id", "event_source"} == set()
    assert message["MessageAttributes"]["region"]["Value"] == "\\U0001f600"


@pytest.mark.parametrize("count", [1, 5, 6, 12])
def test_five_messages_go_in_a_call(server: Server, count: int) -> None:
    to = topic(server)
    _, journal, _ = publish(to.emitter(), *[alert(str(n)) for n in range(count)])
    rest = [count % ENTRIES] * (count % ENTRIES > 0)
    assert [len(rows) for rows in journal] == [ENTRIES] * (count // ENTRIES) + rest
    assert len(to.received()) == count


def test_large_messages_share_no_call_beyond_the_limit_of_a_batch(server: Server) -> None:
    to = topic(server)
    emitter = to.emitter()
    wide = [alert(str(n), evidence=json.dumps({"event_ids": ["x" * 60_000]})) for n in range(8)]
    batches = list(emitter.batches(wide))
    assert [len(batch) for batch in batches] == [4, 4]
    _, journal, _ = publish(emitter, *wide)
    assert len(journal) == 2
    assert len(to.received()) == 8


def test_a_message_above_the_limit_is_shortened_and_arrives(server: Server) -> None:
    to = topic(server)
    huge = alert(evidence=json.dumps({"event_ids": ["x" * MAX_BYTES], "events": 7}))
    tally, _, _ = publish(to.emitter(), huge)
    assert tally.sent == 1
    (message,) = to.received()
    assert "This message is shortened." in message["Message"]
    assert json.loads(message["Message"].rpartition("\n")[2])["evidence"] == {"events": 7}


def test_a_fifo_topic_gets_group_and_deduplication_ids(server: Server) -> None:
    to = topic(server, "alerts.fifo")
    one = alert(state="open", ended_at=None)
    publish(to.emitter(), one, alert("b"))
    publish(to.emitter(), one, alert(revision=2, is_update=True))
    messages = to.received()
    assert [
        (m["_sqs"]["MessageGroupId"], m["_sqs"]["MessageDeduplicationId"]) for m in messages
    ] == [
        (one.anomaly_id, f"{one.anomaly_id}:open:1"),
        (alert("b").anomaly_id, f"{alert('b').anomaly_id}:closed:1"),
        (one.anomaly_id, f"{one.anomaly_id}:closed:2"),
    ]


def entries_failed(code: str, *, sender: bool, places: set[int]) -> Callable[..., Any]:
    """An answer of SNS in which the entries at these places are moved to Failed."""

    def answer(request, passed):  # type: ignore[no-untyped-def]
        form = request.get_data(as_text=True)
        count = form.count(".Id=")
        failed = "".join(
            f"<member><Id>e{n}</Id><Code>{code}</Code><Message>no</Message>"
            f"<SenderFault>{str(sender).lower()}</SenderFault></member>"
            for n in range(count)
            if n in places
        )
        successful = "".join(
            f"<member><Id>e{n}</Id><MessageId>id-{n}</MessageId></member>"
            for n in range(count)
            if n not in places
        )
        text = (
            '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            f"<PublishBatchResult><Failed>{failed}</Failed><Successful>{successful}</Successful>"
            "</PublishBatchResult></PublishBatchResponse>"
        )
        made = sns_error("x", "x")
        made.status_code = 200
        made.set_data(text)
        return made

    return answer


def test_only_the_entries_that_were_busy_are_sent_again(server: Server) -> None:
    to = topic(server)
    alerts = [alert(str(n)) for n in range(5)]
    answer_publishes(server, entries_failed("InternalError", sender=False, places={1, 3}), None)
    tally, journal, pauses = publish(to.emitter(), *alerts)
    assert tally.sent == 5
    assert [[row["anomaly_id"] for row in rows] for rows in journal] == [
        [alerts[n].anomaly_id for n in (0, 2, 4)],
        [alerts[n].anomaly_id for n in (1, 3)],
    ]
    assert len(pauses) == 1
    assert len(to.received()) == 2


def test_an_entry_that_is_refused_is_failed_and_the_others_are_sent(server: Server) -> None:
    to = topic(server)
    answer_publishes(server, entries_failed("InvalidParameter", sender=True, places={0}))
    tally, journal, pauses = publish(to.emitter(), alert("a"), alert("b"))
    assert (tally.sent, tally.refused, pauses) == (1, 1, [])
    assert [(row["outcome"], row["reason"]) for row in journal[0]] == [
        ("failed", "InvalidParameter: no"),
        ("sent", None),
    ]


def test_a_target_that_stays_busy_is_left_for_the_next_run(server: Server) -> None:
    to = topic(server)
    busy = entries_failed("KMSThrottling", sender=True, places={0})
    answer_publishes(server, *[busy] * BUSY_TRIES)
    tally, journal, pauses = publish(to.emitter(), alert("a"), alert("b"))
    assert (tally.sent, tally.refused, tally.settled) == (1, 0, {alert("b").key})
    assert tally.last_reason == "KMSThrottling: no"
    assert [row["outcome"] for rows in journal for row in rows] == ["sent"]
    assert len(pauses) == BUSY_TRIES - 1
    assert all(0 <= pause <= 0.2 * 2**number for number, pause in enumerate(pauses, start=1))


def test_a_call_that_is_refused_as_a_whole_goes_one_by_one(server: Server) -> None:
    def invalid_together(request, passed):  # type: ignore[no-untyped-def]
        form = request.get_data(as_text=True)
        if ".member.2." in form or "x-bad" in form:
            return sns_error("InvalidParameter", "Invalid parameter: Subject", 400)
        return None

    to = topic(server)
    server.disturb.append(invalid_together)
    tally, journal, _ = publish(to.emitter(), alert("a"), alert("x-bad"), alert("c"))
    assert (tally.sent, tally.refused) == (2, 1)
    assert [row["outcome"] for rows in journal for row in rows] == ["sent", "failed", "sent"]
    assert "InvalidParameter" in tally.last_reason
    assert len(to.received()) == 2


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        pytest.param("NotFound", 404, "does not know it", id="no-topic"),
        pytest.param("AuthorizationError", 403, "sns:Publish", id="denied"),
        pytest.param("KMSAccessDenied", 400, "KMS denies", id="kms-denied"),
        pytest.param("KMSDisabled", 400, "KMS key can't be used", id="kms-disabled"),
        pytest.param("InvalidClientTokenId", 403, "credentials", id="credentials"),
    ],
)
def test_a_refusal_that_is_no_alerts_fault_is_an_error_of_the_target(
    server: Server, code: str, status: int, says: str
) -> None:
    to = topic(server)
    answer_publishes(server, None, lambda request, passed: sns_error(code, "no", status))
    tally = Tally()
    alerts = [alert(str(n)) for n in range(20)]
    journal: list[list[Row]] = []
    with pytest.raises(EmitError, match=says) as caught:
        deliver(to.emitter(), alerts, {}, journal.append, tally=tally, now=NOW)
    assert caught.value.where == f"sns:{to.arn}"
    assert tally.sent == sum(map(len, journal)) == ENTRIES


def test_a_topic_that_is_not_there_is_an_error(server: Server) -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:not-there"
    with pytest.raises(EmitError) as caught:
        publish(Topic(server, arn, "").emitter(), alert())
    assert caught.value.mend


def test_a_dropped_connection_is_tried_again(server: Server) -> None:
    def drop(request, passed):  # type: ignore[no-untyped-def]
        raise DroppedError

    to = topic(server)
    answer_publishes(server, drop)
    tally, _, _ = publish(to.emitter(), alert())
    assert tally.sent == 1


def test_the_preview_counts_messages_and_calls(server: Server) -> None:
    emitter = topic(server).emitter()
    assert (
        emitter.preview([alert(str(n)) for n in range(11)], Run(NOW))
        == "would publish 11 messages in 3 calls"
    )
    assert server.count("POST") == 0
