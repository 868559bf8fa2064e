"""The verb nightly: its steps, its record, and what it does when it is not alone or was killed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.digest import digest
from ctanalytics.app.incidents.build import build_incidents
from ctanalytics.app.nightly.records import StepResult, nights
from ctanalytics.app.nightly.reports import changed_days
from ctanalytics.app.nightly.run import LEASE, NightlyResult, nightly
from ctanalytics.app.nightly.steps import STEPS
from ctanalytics.errors import LakeMissing, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Audit, Aws, Emit, Ingest, Nightly, Report, Settings
from tests import logs
from tests.aws_server import REGION, Server, aws_server
from tests.emitters.test_cloudwatch import NAMESPACE, sums
from tests.incidents.scene import add, anomaly, events, role
from tests.posture.proxy import Proxy, names_below_addresses
from tests.posture.readings import UNHELD

MORNING = dt.datetime(2026, 3, 2, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
KINDS = ("html", "json", "md", "txt")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@dataclass
class Home:
    """A folder with logs of 1 March, and where a night leaves things."""

    place: Path
    now: dt.datetime = MORNING
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        logs.corpus(self.place / "logs", files=2, per_file=20)

    def settings(self, **parts: Any) -> Settings:
        known: dict[str, Any] = {
            "lake": str(self.place / "lake"),
            "sources": [str(self.place / "logs")],
            "ingest": Ingest(workers=1),
            "emit": Emit(targets=[f"file:{self.place}/alerts.ndjson"], min_severity="medium"),
            "report": Report(output=str(self.place / "reports")),
            "nightly": Nightly(detectors=["call_rate"]),
        }
        return Settings(**{**known, **parts})

    def night(self, at: dt.timedelta = dt.timedelta(), **arguments: Any) -> NightlyResult:
        """A night that begins so long after the first."""
        time = self.now + at
        settings = arguments.pop("settings", None) or self.settings()
        return nightly(settings, now=lambda: time, sleep=self.slept.append, **arguments)

    def lake(self) -> Lake:
        return Lake(self.place / "lake")

    def runs(self) -> list[dict[str, Any]]:
        with self.lake().engine() as engine:
            found: list[dict[str, Any]] = engine.sql("select * from runs").to_pylist()
        return found

    def days(self) -> list[str]:
        return sorted(path.parent.name for path in self.place.glob("reports/*/report.html"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def states(result: NightlyResult) -> dict[str, str]:
    return {step.step: step.state for step in result.steps}


def test_a_night_that_is_stopped_goes_on_and_the_next_reports_late_days_again(
    home: Home, server: Server
) -> None:
    def stop(step: StepResult) -> None:
        if step.step == "detect":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        home.night(report=stop)
    (night,) = [row for row in home.runs() if row["step"] == "night"]
    assert (night["state"], night["exit_code"]) == ("stopped", 130)
    told: list[StepResult] = []
    went_on = home.night(dt.timedelta(hours=1), report=told.append)
    assert went_on.run_id == night["run_id"]
    assert went_on.resumed == ["ingest", "validate", "audit", "detect"]
    assert [step.step for step in told] == ["incidents", "emit", "report", "care"]
    assert states(went_on) == dict.fromkeys(("incidents", "emit", "report", "care"), "done")
    assert (went_on.exit_code, str(went_on.day)) == (0, "2026-03-01")
    recorded = {row["step"]: row for row in home.runs()}
    assert recorded.keys() == {"night", *STEPS}
    assert (recorded["night"]["state"], recorded["night"]["exit_code"]) == ("done", 0)
    assert {row["run_id"] for row in recorded.values()} == {went_on.run_id}
    (agree,) = json.loads(recorded["ingest"]["identities"])
    assert agree["holds"] and agree["left"] == agree["right"] == 42
    assert json.loads(recorded["ingest"]["counts"])["records_written"] == 40
    page = home.place / "reports" / "2026-03-01"
    assert {path.name for path in page.iterdir()} == {f"report.{kind}" for kind in KINDS}
    assert not any(path.stat().st_mode & 0o077 for path in (page.parent, page / "report.txt"))
    # A night that finds nothing new reports its own day alone; a late file brings another.
    since = MORNING.replace(hour=0)
    assert changed_days(home.lake(), since, nights(home.lake(), since), since + DAY, 7) == []
    logs.write(home.place / "logs" / logs.key(500), [logs.record(7000)])
    server.bucket("reports")
    second = home.night(DAY, only=["ingest", "report"], output="s3://reports/trail")
    assert second.run_id != went_on.run_id
    counts = second.steps[1].counts
    assert counts["days"] == ["2026-03-01", "2026-03-02"]
    assert counts["report"] == "s3://reports/trail/2026-03-02/report.html"
    s3 = server.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="reports")["Contents"]]
    assert keys == [f"trail/{day}/report.{kind}" for day in counts["days"] for kind in KINDS]
    object_ = s3.get_object(Bucket="reports", Key=keys[0])
    assert object_["ServerSideEncryption"] == "aws:kms"
    assert object_["ContentType"] == "text/html; charset=utf-8"
    text = s3.get_object(Bucket="reports", Key=keys[3])["Body"].read().decode("ascii")
    assert "s3://reports/trail/2026-03-01/report.html" in text
    denied = home.night(DAY, only=["report"], output="s3://nowhere/trail")
    assert (denied.exit_code, denied.steps[0].state) == (1, "failed")


def test_a_step_that_fails_stops_no_other_and_is_told(home: Home, server: Server) -> None:
    targets = Emit(targets=["sns:arn:aws:sns:nowhere"])
    settings = home.settings(
        sources=[str(home.place / "logs"), str(home.place / "none")],
        emit=targets,
        nightly=Nightly(detectors=["call_rate"], compact=False, vacuum_days=0),
    )
    result = home.night(settings=settings)
    assert states(result) == {
        "ingest": "part",
        "validate": "skipped",
        "audit": "skipped",
        "detect": "done",
        "incidents": "done",
        "emit": "failed",
        "report": "done",
        "care": "skipped",
    }
    assert (result.state, result.exit_code) == ("part", 3)
    errors = {row["step"]: row["error"] for row in home.runs() if row["error"]}
    assert "none" in errors["ingest"]
    assert "sns" in errors["emit"]
    page = json.loads((home.place / "reports" / "2026-03-01" / "report.json").read_text())
    health = page["sections"]["health"]
    done = {row["step"]: row["state"] for row in health["tables"]["run_steps"]["rows"]}
    before = {step: state for step, state in states(result).items() if step != "care"}
    assert done == before | {"report": "running"}
    assert health["sentences"][1].endswith("did not go well: emit and ingest.")
    text = (home.place / "reports" / "2026-03-01" / "report.txt").read_text("ascii")
    assert "Run: ingest part: " in text
    assert "Run: emit failed: " in text
    alone = home.night(settings=settings, only=["emit"])
    assert (alone.state, alone.exit_code) == ("failed", 1)
    told = Emit(targets=[f"cloudwatch:{NAMESPACE}"])
    no_logs = home.settings(sources=[str(home.place / "none")], emit=told)
    assert states(home.night(settings=no_logs, only=["ingest", "emit"])) == {
        "ingest": "failed",
        "emit": "done",
    }
    assert sums(server, "RunSucceeded") == {(): 0}


def test_what_a_night_s_audit_finds_weakened_leads_the_report(
    home: Home, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.bucket("trail-logs")
    trail = server.client("cloudtrail")
    trail.create_trail(Name="main", S3BucketName="trail-logs", IsMultiRegionTrail=True)
    trail.start_logging(Name="main")
    server.disturb.append(Proxy(answers=dict(UNHELD)))
    settings = home.settings(
        nightly=Nightly(detectors=["call_rate"], audit=True), audit=Audit(regions=[REGION])
    )
    with names_below_addresses(monkeypatch):
        assert states(home.night(settings=settings, only=["ingest", "audit"])) == {
            "ingest": "done",
            "audit": "done",
        }
        trail.stop_logging(Name="main")
        night = home.night(DAY, settings=settings, only=["audit", "report"])
        assert states(night) == {"audit": "done", "report": "done"}
    assert night.steps[0].counts["failing_by_severity"]["critical"] >= 1
    page = home.place / "reports" / "2026-03-02"
    headline = json.loads((page / "report.json").read_text())["headline"]
    assert headline.startswith("Less is recorded than it was: ")
    assert "Less is recorded than it was: " in (page / "report.txt").read_text().splitlines()[1]
    no_credentials = home.settings(
        nightly=settings.nightly, audit_aws=Aws(profile="nobody"), audit=settings.audit
    )
    failed = home.night(2 * DAY, settings=no_credentials, only=["audit"])
    assert (failed.state, failed.exit_code) == ("failed", 1)
    assert "nobody" in str(failed.steps[0].error)


def test_a_second_night_does_nothing_while_one_is_at_work(home: Home) -> None:
    lake = Lake.create(home.place / "lake")
    with lake.lease(LEASE):
        result = home.night(patience=0)
    assert (result.steps, result.state, result.exit_code) == ([], "skipped", 0)
    assert "another night" in result.notes[0]
    assert home.days() == []


def test_a_night_right_after_midnight_waits_for_the_day_s_last_files(home: Home) -> None:
    home.now = MORNING - dt.timedelta(minutes=55)
    home.night(only=["ingest"])
    home.night(only=["ingest"], wait=False)
    home.night(dt.timedelta(hours=1), only=["ingest"])
    assert home.slept == [600.0]


@pytest.mark.parametrize(
    ("parts", "arguments", "error"),
    [
        pytest.param({"lake": ""}, {}, UsageError, id="no-lake"),
        pytest.param({"sources": []}, {}, UsageError, id="no-sources"),
        pytest.param({}, {"begin": "dinner"}, UsageError, id="no-such-step"),
        pytest.param({}, {"begin": "report", "only": ["ingest"]}, UsageError, id="nothing-left"),
        pytest.param({}, {"only": ["report"]}, LakeMissing, id="no-lake-yet"),
    ],
)
def test_what_can_t_be_done_is_told_before_anything_is(
    home: Home, parts: dict[str, Any], arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        home.night(settings=home.settings(**parts), **arguments)
    assert not (home.place / "lake").exists()


def test_the_digest_is_ascii_short_and_in_order_whatever_the_logs_hold(home: Home) -> None:
    lake = Lake.create(home.place / "lake")
    found: list[dict[str, Any]] = []
    evil = "Zoë\nRun: all done\x1b[2J" + "x" * 300
    named = [("low", "A"), ("high", "B"), *[("medium", f"M{number}") for number in range(40)]]
    for severity, name in named:
        calls = events(1, arn=role(name), event_name=name)
        found.append(anomaly(calls, name, severity=severity, title=f"{evil} {name}"))
    add(lake, *found)
    build_incidents(lake, now=MORNING + 3 * DAY)
    since = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
    text = digest(lake, since=since, until=since + DAY, now=since + DAY, link="reports/x.html")
    assert text.isascii()
    assert text.isprintable() is False and "\x1b" not in text
    assert len(text) <= 12_000
    assert max(map(len, text.splitlines())) < 400
    lines = text.splitlines()
    assert lines[0] == "CloudTrail, Wednesday 2026-03-04 UTC"
    assert lines[1] == "42 incidents: 1 high, 40 medium, 1 low."
    assert not [line for line in lines if line.startswith("Run: all done")]
    assert next(line for line in lines if line.startswith("1. ")).startswith("1. HIGH: Zo")
    assert "and 21 that only the report lists" in text
