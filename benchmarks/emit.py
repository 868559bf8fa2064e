"""Many alerts to a topic that is often busy, by a sender that is killed at the worst moments.

python benchmarks/emit.py [--alerts N] [--throttled SHARE] [--kills N] [--seed N] [--json]

The topic is that of a local server. Of all messages offered to it, a share is turned away: in half
of the cases the whole call, else single messages of a call. The sender is a process of its own,
which gets SIGKILL right after the topic took a call and before the sender could hear of it; another
then takes over, as a next run does. What arrived is counted where the server keeps it. The sender
sleeps a twentieth of what it means to, so that the run is short; nothing is timed.

Exit code 1 when an alert is lost, when more than one in a thousand comes twice, or when the ids in
the messages don't tell which those are.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends
from werkzeug.wrappers import Request, Response

sys.path.insert(0, str(Path(__file__).parent.parent))
from ctanalytics.lake.lake import Lake
from tests.aws_server import REGION, Server, aws_server, environment, sns_error
from tests.emitters import alerts

MOST_TWICE = 0.001
MOST_RUNS = 40

SENDER = """
import sys, time
sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds / 20)
from ctanalytics.app.emit import emit
from ctanalytics.settings import Emit, Settings, TargetOptions
options = {"sns": TargetOptions(max_messages=0)}
result = emit(sys.argv[1], [sys.argv[2]], settings=Settings(emit=Emit(options=options)))
sys.exit(0 if result.complete else 3)
"""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    alerts: int
    calls: int
    turned_away: int
    """Messages that the topic was too busy for."""
    kills: int
    runs: int
    arrived: int
    """Messages, those that came twice included."""
    lost: int
    twice: int
    most: int
    """How often the alert arrived that arrived most often."""
    acknowledged: int
    """Alerts that the lake has as sent, each once."""
    seconds: float

    @property
    def share_twice(self) -> float:
        """Of all alerts."""
        return self.twice / self.alerts

    def holds(self) -> bool:
        """Whether nothing is lost, hardly anything comes twice, and the ids tell what does."""
        return (
            self.lost == 0
            and self.share_twice <= MOST_TWICE
            and self.acknowledged == self.alerts
            and self.arrived == self.alerts + self.twice
        )


@dataclass
class BusyTopic:
    """Answers PublishBatch: turns some away, gives the rest to the server, and kills the sender."""

    arn: str
    rng: random.Random
    throttled: float
    kill_at: list[int]
    """Calls that were taken, in whole or in part, after which the sender dies."""
    sender: subprocess.Popen[bytes] | None = None
    calls: int = 0
    taken: int = 0
    turned_away: int = 0
    kills: int = 0

    def answer(self, request: Request, _: Callable[[], Response]) -> Response | None:
        """Answer a request to SNS; leave others to the server."""
        form = request.get_data(as_text=True)
        if "Action=PublishBatch" not in form:
            return None
        self.calls += 1
        entries = _entries(form)
        if self.rng.random() < self.throttled / 2:
            self.turned_away += len(entries)
            return sns_error("Throttled", "Rate exceeded", 400)
        # So many of the rest that in all the wanted share is turned away.
        share = self.throttled / 2 / (1 - self.throttled / 2)
        busy = {place for place in range(len(entries)) if self.rng.random() < share}
        self.turned_away += len(busy)
        for place, entry in enumerate(entries):
            if place not in busy:
                self._take(entry)
        if len(busy) < len(entries):
            self.taken += 1
            if self.taken in self.kill_at and self.sender:
                os.kill(self.sender.pid, signal.SIGKILL)
                self.kills += 1
        return _answered(entries, busy)

    def _take(self, entry: dict[str, str]) -> None:
        backend = sns_backends[DEFAULT_ACCOUNT_ID][REGION]
        backend.publish(entry["Message"], arn=self.arn, subject=entry["Subject"])


def _entries(form: str) -> list[dict[str, str]]:
    """The messages of a call, in their order."""
    fields = {name: values[0] for name, values in parse_qs(form).items()}
    found: list[dict[str, str]] = []
    while True:
        prefix = f"PublishBatchRequestEntries.member.{len(found) + 1}."
        if f"{prefix}Id" not in fields:
            return found
        found.append({name: fields[prefix + name] for name in ("Id", "Message", "Subject")})


def _answered(entries: list[dict[str, str]], busy: set[int]) -> Response:
    failed = "".join(
        f"<member><Id>{entry['Id']}</Id><Code>Throttled</Code><Message>Rate exceeded</Message>"
        "<SenderFault>true</SenderFault></member>"
        for place, entry in enumerate(entries)
        if place in busy
    )
    taken = "".join(
        f"<member><Id>{entry['Id']}</Id><MessageId>m-{entry['Id']}</MessageId></member>"
        for place, entry in enumerate(entries)
        if place not in busy
    )
    return Response(
        '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
        f"<PublishBatchResult><Failed>{failed}</Failed><Successful>{taken}</Successful>"
        "</PublishBatchResult></PublishBatchResponse>",
        content_type="text/xml",
    )


def simulate(
    server: Server, folder: Path, *, count: int, throttled: float, kills: int, seed: int
) -> Outcome:
    """Send so many alerts, with so many kills at random calls."""
    started = time.monotonic()
    rng = random.Random(seed)
    lake = _lake(folder / "lake", count)
    arn = server.client("sns").create_topic(Name="alerts")["TopicArn"]
    calls = count // 5
    kill_at = sorted(rng.sample(range(calls // 10 + 1, calls), kills))
    topic = BusyTopic(arn, rng, throttled, kill_at)
    server.disturb.append(topic.answer)
    runs, code = 0, -1
    while code != 0 and runs < MOST_RUNS:
        runs += 1
        topic.sender = subprocess.Popen(
            [sys.executable, "-c", SENDER, lake.uri, f"sns:{arn}"],
            env={**os.environ, **environment(server.url)},
        )
        code = topic.sender.wait()
    arrived = Counter(_alert_id(message) for message in _kept(arn))
    known = {f"{row['anomaly_id']}:closed:1" for row in _rows(count)}
    sent = [row for row in alerts.outbox(lake) if row["outcome"] == "sent"]
    return Outcome(
        alerts=count,
        calls=topic.calls,
        turned_away=topic.turned_away,
        kills=topic.kills,
        runs=runs,
        arrived=sum(arrived.values()),
        lost=len(known - arrived.keys()),
        twice=sum(times > 1 for times in arrived.values()),
        most=max(arrived.values(), default=0),
        acknowledged=len({row["anomaly_id"] for row in sent}),
        seconds=round(time.monotonic() - started, 1),
    )


def _kept(arn: str) -> list[str]:
    """The messages that the server has for a topic."""
    topic: Any = sns_backends[DEFAULT_ACCOUNT_ID][REGION].get_topic(arn)
    return [notification[1] for notification in topic.sent_notifications]


def _alert_id(message: str) -> str:
    found: str = json.loads(message.rpartition("\n")[2])["alert_id"]
    return found


def _rows(count: int) -> list[dict[str, Any]]:
    now = dt.datetime.now(dt.UTC)
    evidence = json.dumps({"event_ids": [], "events": 214})
    return [
        alerts.row(f"{n:06}", detected_at=now, ended_at=now, evidence=evidence, insight=None)
        for n in range(count)
    ]


def _lake(folder: Path, count: int) -> Lake:
    return alerts.lake(folder, *_rows(count))


def main(arguments: list[str]) -> int:
    """Run it and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--throttled", type=float, default=0.2)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20130)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with (
        pytest.MonkeyPatch.context() as patch,
        aws_server(patch) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        found = simulate(
            server,
            Path(folder),
            count=options.alerts,
            throttled=options.throttled,
            kills=options.kills,
            seed=options.seed,
        )
    if options.json:
        print(json.dumps(asdict(found) | {"holds": found.holds()}))
    else:
        print(
            f"{found.alerts:,} alerts in {found.calls:,} calls, {found.kills} kills, "
            f"{found.runs} runs, {found.turned_away:,} messages turned away"
        )
        print(
            f"lost {found.lost}; arrived twice {found.twice} ({found.share_twice:.2%}), none more "
            f"than {found.most} times; {found.acknowledged:,} acknowledged; {found.seconds:.0f} s"
        )
    return 0 if found.holds() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
