"""sample_logs is what its README says, and each of its incidents can be found."""

from __future__ import annotations

import collections
import datetime as dt
import functools
import itertools
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ctanalytics.cli.main import app
from tests.simulator import logs
from tests.simulator.logs import Record
from tests.simulator.test_digests import check_chains

SAMPLE = Path(__file__).parents[2] / "sample_logs"
LAST_DAY = dt.datetime(2025, 11, 2, tzinfo=dt.UTC)


@functools.cache
def _records() -> list[Record]:
    unique = {record["eventID"]: record for record in logs.records(SAMPLE)}
    return sorted(unique.values(), key=lambda record: str(record["eventTime"]))


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _label(kind: str) -> dict[str, Any]:
    (found,) = (label for label in logs.labels(SAMPLE) if label["kind"] == kind)
    return found


def test_it_is_small_enough_for_a_repository() -> None:
    files = [path for path in SAMPLE.rglob("*") if path.is_file()]
    assert len(files) <= 3_000
    assert sum(path.stat().st_size for path in files) <= 12_000_000


def test_it_has_the_promised_days_accounts_regions_and_events() -> None:
    records = _records()
    assert 25_000 <= len(records) <= 30_000
    assert len({record["eventTime"][:10] for record in records}) == 35
    assert len({record["recipientAccountId"] for record in records}) == 2
    assert len({record["awsRegion"] for record in records}) == 3
    assert len({record["eventSource"] for record in records}) >= 25


def test_its_digests_hold_for_the_last_three_days() -> None:
    assert check_chains(SAMPLE) > 100
    days = {"/".join(path.parts[-4:-1]) for path in logs.digest_files(SAMPLE)}
    assert days <= {"2025/10/30", "2025/10/31", "2025/11/01", "2025/11/02"}


def test_the_readme_gives_the_command_that_made_it(tmp_path: Path) -> None:
    command = re.search(r"^ctanalytics (simulate .+)$", (SAMPLE / "README.md").read_text(), re.M)
    assert command
    _, _, *flags = shlex.split(command[1])
    flags[flags.index("--digests") + 1] = "none"  # the labels are the same, and sooner made
    done = CliRunner().invoke(app, ["simulate", str(tmp_path), *flags, "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "labels.jsonl").read_bytes() == (SAMPLE / "labels.jsonl").read_bytes()
    keys = [path.relative_to(tmp_path) for path in logs.log_files(tmp_path)]
    assert keys == [path.relative_to(SAMPLE) for path in logs.log_files(SAMPLE)]


def test_nothing_in_it_looks_like_a_secret() -> None:
    for record in _records():
        keys = re.findall(r"(?:AKIA|ASIA)[A-Z0-9]{16}", str(record))
        assert all(key.endswith("EXAMPLE") for key in keys)


def test_five_incidents_lie_in_the_last_twelve_days_and_not_in_the_last_half_day() -> None:
    attacks = [label for label in logs.labels(SAMPLE) if label["malicious"]]
    assert {label["kind"] for label in attacks} == {
        "surge",
        "error_burst",
        "stolen_key",
        "tampering",
        "silent_stop",
    }
    for label in attacks:
        assert _time(label["started_at"]) >= LAST_DAY - dt.timedelta(days=12)
        assert _time(label["ended_at"]) <= LAST_DAY - dt.timedelta(hours=12)


def _days_with(chosen: Callable[[Record], bool], until: str) -> int:
    return len({r["eventTime"][:10] for r in _records() if r["eventTime"] < until and chosen(r)})


def test_the_surge_is_sixty_calls_in_ten_minutes_over_a_moderate_background() -> None:
    label = _label("surge")
    times = [
        _time(record["eventTime"])
        for record in _records()
        if record["eventName"] == "RunInstances"
        and record["recipientAccountId"] == label["account_id"]
        and record["awsRegion"] == label["aws_region"]
    ]
    start, end = _time(label["started_at"]), _time(label["ended_at"])
    assert end - start <= dt.timedelta(minutes=10)
    assert sum(start <= at < end for at in times) >= 60
    before = [at for at in times if at < start]
    assert len(before) > 200
    most = max(sum(at <= x < at + dt.timedelta(minutes=10) for x in before) for at in before)
    assert most < 12


def test_the_error_burst_is_eighty_denials_on_few_apis_with_rare_denials_before() -> None:
    label = _label("error_burst")
    burst = [r for r in _records() if r["eventID"] in set(label["event_ids"]) and "errorCode" in r]
    assert len(burst) >= 80
    series = collections.Counter(r["eventName"] for r in burst)
    assert len(series) <= 6
    for name in series:
        denied = _days_with(
            lambda r, name=name: (
                r["eventName"] == name  # type: ignore[misc]
                and r.get("errorCode") == "AccessDenied"
                and r["recipientAccountId"] == label["account_id"]
            ),
            label["started_at"],
        )
        assert 3 <= denied <= 25


def test_the_silent_series_speaks_every_quarter_of_an_hour_but_for_the_incident() -> None:
    label = _label("silent_stop")
    times = [
        _time(record["eventTime"])
        for record in _records()
        if record["eventName"] == label["event_name"]
        and record["recipientAccountId"] == label["account_id"]
    ]
    gaps = sorted((b - a, a) for a, b in itertools.pairwise(times))
    (longest, since), (second, _) = gaps[-1], gaps[-2]
    assert longest >= dt.timedelta(hours=10)
    assert abs(since - _time(label["started_at"])) < dt.timedelta(minutes=15)
    assert second <= dt.timedelta(minutes=15)


@pytest.mark.parametrize("kind", ["stolen_key", "tampering"])
def test_the_attackers_identity_had_weeks_of_steady_history_elsewhere(kind: str) -> None:
    label = _label(kind)
    role_or_user = label["principal_arn"]

    def is_theirs(record: Record) -> bool:
        who = record["userIdentity"]
        issuer = who.get("sessionContext", {}).get("sessionIssuer", {}).get("arn")
        return role_or_user in (who.get("arn"), issuer)

    assert _days_with(is_theirs, label["started_at"]) >= 20
    before = [r for r in _records() if r["eventTime"] < label["started_at"] and is_theirs(r)]
    during = [r for r in _records() if r["eventID"] in set(label["event_ids"])]
    assert not {r["sourceIPAddress"] for r in before} & {r["sourceIPAddress"] for r in during}
    assert len({r["eventName"] for r in during} - {r["eventName"] for r in before}) >= 10
