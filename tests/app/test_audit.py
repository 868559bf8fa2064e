"""Audit: from an account or a snapshot to findings, forms, history and the report."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from werkzeug.wrappers import Request, Response

import ctanalytics
from ctanalytics.app import audit_forms as forms
from ctanalytics.app.audit import AuditResult, Unreached, audit, policy_apis
from ctanalytics.app.audit_accounts import audit_organization
from ctanalytics.app.report import report
from ctanalytics.cli.main import main
from ctanalytics.errors import SourceDenied, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.posture import CHECKS
from ctanalytics.posture.actions import policy
from ctanalytics.posture.snapshot import Snapshot
from ctanalytics.reporting import posture
from ctanalytics.settings import Audit, Aws, Settings
from tests import builders, logs
from tests.app.ingesting import run as ingest
from tests.aws_server import ACCOUNT, REGION, Server, aws_server, s3_error, sns_error
from tests.cli.runner import run as cli
from tests.posture import account
from tests.posture.changing import changed, put
from tests.posture.conftest import readings as readings
from tests.posture.proxy import Proxy
from tests.posture.readings import UNHELD, Readings

SETTINGS = Settings(audit=Audit(regions=[REGION], workers=4, accounts_at_once=2))
BY_HOUR = dt.timedelta(hours=1)


@pytest.fixture
def good(readings: Readings, tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    readings.good.save(path)
    return path


@pytest.fixture
def bad(readings: Readings, tmp_path: Path) -> Path:
    path = tmp_path / "bad.json"
    readings.bad.save(path)
    return path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def lake_of(folder: Path, *records: dict[str, Any]) -> Path:
    """A lake of records, on top of two quiet days of the account."""
    end = logs.START
    quiet = [
        record(number, end - 48 * BY_HOUR + number * BY_HOUR, "DescribeInstances")
        for number in range(48)
    ]
    logs.write(folder / "logs" / logs.key(account_id=ACCOUNT), [*quiet, *records])
    ingest(folder / "logs", folder / "lake")
    return folder / "lake"


def record(number: int, at: dt.datetime, name: str, **fields: Any) -> dict[str, Any]:
    time = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    source = "ec2.amazonaws.com" if name.startswith("Describe") else "cloudtrail.amazonaws.com"
    own = {"eventName": name, "eventSource": source, "recipientAccountId": ACCOUNT}
    return logs.record(number, eventTime=time, **own, **fields)


STOPPED = record(900, logs.START, "StopLogging", readOnly=False, requestParameters={"name": "main"})


def test_a_saved_snapshot_is_judged_as_the_account_was(good: Path, readings: Readings) -> None:
    result = audit(settings=SETTINGS, source=good)
    assert result.accounts == [ACCOUNT]
    assert result.audited_at == readings.good.taken_at
    assert {one.check_id for one in result.findings} | set(result.not_run) == set(CHECKS)
    assert all("lake" in why for why in result.not_run.values())
    assert {row["extent"] for row in result.recorded} == {"all"}
    assert result.counts["fail"] < 5
    order = [(one.status, one.severity) for one in result.findings]
    assert [status for status, _ in order] == sorted(
        (status for status, _ in order), key=("fail", "unknown", "pass").index
    )


def test_what_is_no_snapshot_is_said(tmp_path: Path, good: Path) -> None:
    found = json.loads(good.read_text())
    assert good.stat().st_mode & 0o777 == 0o600
    for text in ("{", "[]", json.dumps(found | {"format": "x"}), json.dumps({"format": 1})):
        good.write_text(text)
        with pytest.raises(UsageError, match="no snapshot"):
            audit(settings=SETTINGS, source=good)
    found["format_version"] = 99
    good.write_text(json.dumps(found))
    with pytest.raises(UsageError, match="99"):
        audit(settings=SETTINGS, source=good)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="holds no snapshot"):
        audit(settings=SETTINGS, source=empty)


def test_an_account_is_read_once_and_only_what_the_checks_need(
    server: Server, tmp_path: Path
) -> None:
    server.bucket("trail-logs")
    server.client("cloudtrail").create_trail(Name="main", S3BucketName="trail-logs")
    proxy = Proxy(answers=dict(UNHELD))
    server.disturb.append(proxy)
    saved = tmp_path / "some.json"
    result = audit(settings=SETTINGS, checks=["bucket-v*", "trail-kms"], snapshot=saved)
    assert sorted(set(proxy.asked)) == [
        "cloudtrail:DescribeTrails",
        "cloudtrail:ListTrails",
        "ec2:DescribeRegions",
        "s3:GetBucketVersioning",
        "sts:GetCallerIdentity",
    ]
    assert len(proxy.asked) == len(set(proxy.asked))
    assert [(one.check_id, one.status) for one in result.findings] == [
        ("trail-kms", "fail"),
        ("bucket-versioning", "fail"),
    ]
    again = audit(settings=SETTINGS, checks=["bucket-v*", "trail-kms"], source=saved)
    assert again.findings == result.findings


def test_a_check_that_does_not_exist_and_no_credentials_are_said(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no check bucket-nothing"):
        audit(settings=SETTINGS, checks=["bucket-nothing"])
    server.disturb.append(Proxy(denied={"sts:GetCallerIdentity"}))
    with pytest.raises(SourceDenied):
        audit(settings=SETTINGS)


def test_a_lake_contradicts_a_trail_and_keeps_the_findings(
    good: Path, bad: Path, tmp_path: Path, readings: Readings
) -> None:
    queue = record(
        901,
        logs.START - BY_HOUR,
        "DescribeQueue",
        eventCategory="Data",
        managementEvent=False,
        resources=[{"type": "AWS::SQS::Queue", "ARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}],
    )
    place = lake_of(tmp_path, STOPPED, queue)
    result = audit(settings=SETTINGS, source=good, lake=place)
    found = {one.check_id: one for one in result.findings if one.status == "fail"}
    assert found["seen-tampering"].evidence["event_ids"] == [logs.event_id(900)]
    assert list(found["seen-not-recorded"].evidence["last_seen"]) == ["data AWS::SQS::Queue reads"]
    assert "recorded-not-seen" not in found

    def off(answer: Any) -> None:
        for trail in answer["trailList"]:
            trail["LogFileValidationEnabled"] = False

    later = changed(readings.good, "cloudtrail:DescribeTrails", off)
    later = changed(later, "s3:GetBucketVersioning", put(MFADelete="Enabled"))
    later = dataclasses.replace(later, taken_at=readings.good.taken_at + 20 * BY_HOUR)
    later.save(good)
    audit(settings=SETTINGS, source=good, lake=place)
    with Lake.open(place).engine() as engine:
        rows = engine.sql(
            "select change, check_id, count(*) as n from posture_changes group by all order by all"
        ).to_pylist()
        since = engine.sql(
            "select distinct status, status_since from posture where check_id = 'trail-kms'"
        ).to_pylist()
    assert [(row["change"], row["check_id"], row["n"]) for row in rows] == [
        ("fixed", "bucket-mfa-delete", 2),
        ("new", "trail-digest-delivering", 2),
        ("new", "trail-log-file-validation", 2),
    ]
    assert since == [{"status": "pass", "status_since": readings.good.taken_at}]

    audit(settings=SETTINGS, source=bad, checks=["trail-kms"], lake=place)
    with Lake.open(place).engine() as engine:
        assert (
            engine.sql("select count(distinct audit_id) as n from lake.posture_findings")["n"][
                0
            ].as_py()
            == 2
        )
    at = readings.good.taken_at + 25 * BY_HOUR
    told = report(place, output=tmp_path / "r", since=logs.START - 72 * BY_HOUR, until=at)
    assert told.headline.startswith("A trail was weakened: StopLogging by arn:aws:iam::")
    section = json.loads(Path(told.json).read_text())["sections"]["posture"]
    assert [row["event_name"] for row in section["tables"]["trail_weakened"]["rows"]] == [
        "StopLogging"
    ]
    assert "How trails are set up" in Path(told.html).read_text()
    with Lake.open(place).engine() as engine:
        lead, (quiet,) = posture.sections(engine, since=at - 12 * BY_HOUR, until=at, top=20)
    assert lead == ""
    (table,) = quiet.tables
    changes = [(row["change"], row["check_id"]) for row in table.rows]
    assert changes[0] == ("new", "trail-digest-delivering")
    assert ("still failing", "seen-tampering") in changes
    assert ("fixed", "bucket-mfa-delete") in changes


def test_a_trail_that_an_audit_found_narrowed_leads_the_report(tmp_path: Path) -> None:
    def row(audit_id: str, at: dt.datetime, status: str) -> dict[str, Any]:
        return {
            "audit_id": audit_id,
            "audited_at": at,
            "finding_id": "f",
            "check_id": "trail-logging",
            "status": status,
            "severity": "critical",
            "account_id": ACCOUNT,
            "resource": account.TRAIL,
            "title": "The trail logs",
            "explanation": "the trail does not log",
            "evidence": "{}",
            "reads": [],
            "missing": [],
        }

    rows = [row("a", logs.START, "pass"), row("b", logs.START + 24 * BY_HOUR, "fail")]
    with builders.engine(tmp_path, posture_findings=rows) as engine:
        for since, lead in (
            (1, "Less is recorded than it was: the trail does not log."),
            (25, ""),  # it failed before the span already
        ):
            begin = logs.START + since * BY_HOUR
            told, _ = posture.sections(engine, since=begin, until=begin + 48 * BY_HOUR, top=20)
            assert told == lead
        assert posture.sections(
            engine, since=logs.START - 7 * BY_HOUR, until=logs.START - 6 * BY_HOUR, top=9
        ) == (
            "",
            (),
        )


EVIL = "</style><script>alert(1)</script>\x1b[2J\u202e\u2066{{7*7}}'\"&"


def hostile(result: AuditResult) -> AuditResult:
    """Text that an attacker may have put into whatever has a name."""
    texts: dict[str, Any] = dict.fromkeys(
        ("resource", "explanation", "title", "aws_region", "remedy_cli", "remedy_cloudformation"),
        EVIL,
    )
    lists: dict[str, Any] = dict.fromkeys(("reads", "missing"), (EVIL,))
    return dataclasses.replace(
        result,
        accounts=[EVIL, "444455556666"],
        findings=[
            dataclasses.replace(one, evidence={EVIL: {EVIL: [EVIL]}}, **texts, **lists)
            for one in result.findings
        ],
        recorded=[dict.fromkeys(row, EVIL) for row in result.recorded],
        unreached=[Unreached(EVIL, EVIL)],
        not_run={EVIL: EVIL},
    )


def test_the_page_is_self_contained_and_escapes_everything(bad: Path) -> None:
    result = audit(settings=SETTINGS, source=bad)
    page = forms.html(hostile(result))
    assert page.count("<script") == page.count("</style>") - 1 == 0
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\u202e\\u2066{{7*7}}&#39;"
    assert page.count(shown) >= 2 * len(result.findings)
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", page
    )
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "What is recorded" in page
    assert "CIS 3.1 (v1.4" in page
    for text in (forms.asff(hostile(result), region=REGION), forms.ocsf(hostile(result))):
        assert text.isascii()
        assert "\x1b" not in text


def test_asff_is_what_security_hub_takes(bad: Path, good: Path) -> None:
    shape = boto3.client("securityhub", region_name=REGION).meta.service_model.operation_model(
        "BatchImportFindings"
    )
    for path in (bad, good):
        rows = json.loads(forms.asff(audit(settings=SETTINGS, source=path), region=REGION))
        report_ = ParamValidator().validate({"Findings": rows}, shape.input_shape)
        assert not report_.has_errors(), report_.generate_report()
        assert len({row["Id"] for row in rows}) == len(rows)
        for row in rows:
            assert len(row["Title"]) <= 256 and len(row["Description"]) <= 1024
            assert len(row["Remediation"]["Recommendation"]["Text"]) <= 512
            assert row["UpdatedAt"].endswith("Z")
    statuses = {row["Compliance"]["Status"] for row in rows}
    assert statuses == {"PASSED", "FAILED", "NOT_AVAILABLE"}


def test_ocsf_is_a_compliance_finding_each(bad: Path) -> None:
    result = audit(settings=SETTINGS, source=bad)
    rows = [json.loads(line) for line in forms.ocsf(result).splitlines()]
    assert len(rows) == len(result.findings)
    for row, one in zip(rows, result.findings, strict=True):
        assert row["type_uid"] == row["class_uid"] * 100 + row["activity_id"] == 200301
        assert row["compliance"]["standards"]
        assert row["compliance"]["status_id"] == {"pass": 1, "unknown": 2, "fail": 3}[one.status]
        assert row["finding_info"]["uid"] == one.finding_id
        assert row["metadata"]["version"] == "1.3.0"
        assert 1 <= row["severity_id"] <= 5


def test_a_finding_keeps_its_id_while_its_words_change(bad: Path) -> None:
    result = audit(settings=SETTINGS, source=bad)
    one = result.findings[0]
    assert dataclasses.replace(one, explanation="other", status="pass").finding_id == one.finding_id
    ids = [each.finding_id for each in result.findings]
    assert len(set(ids)) == len(ids)


def test_the_policy_of_the_docs_is_what_an_audit_needs() -> None:
    page = (Path(ctanalytics.__file__).parents[1] / "docs" / "audit.md").read_text("utf-8")
    (text,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(text) == policy(policy_apis())
    for action in json.loads(text)["Statement"][0]["Action"]:
        assert re.match(r"[a-z0-9]+:(Describe|Get|List|Generate)", action), action


def test_the_command_gives_its_forms_and_exit_codes(bad: Path, tmp_path: Path) -> None:
    done = cli("audit", "--from", str(bad), "--json", "--fail-on", "critical", cwd=tmp_path)
    assert done.code == 3, done.err
    found = json.loads(done.out)
    assert found["counts"]["fail"] > 50
    assert {"remedy_cli", "cis", "security_hub", "evidence"} <= found["findings"][0].keys()


def test_the_command_writes_pages_and_lists_checks(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.html"
    some = ["audit", "--from", str(bad), "--check", "bucket-*"]
    assert main([*some, "--format", "html", "--output", str(page)]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert page.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert main(some) == 0
    assert "findings fail" in capsys.readouterr().out
    assert main(["audit", "--list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(CHECKS)
    assert main(["audit", "--policy"]) == 0
    assert json.loads(capsys.readouterr().out) == policy(policy_apis())
    for wrong in (
        ["--organization"],
        ["--role-name", "x"],
        ["--format", "pdf"],
        ["--fail-on", "awful"],
        ["--output", "x"],
        ["--organization", "--role-name", "x", "--from", str(bad)],
    ):
        assert main(["audit", *wrong]) == 2


def organization(server: Server) -> list[str]:
    """An organization of four: one closed, one whose role can't be assumed; a trail into the first."""
    api = server.client("organizations")
    api.create_organization(FeatureSet="ALL")
    ids = [
        api.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"][
            "AccountId"
        ]
        for name in ("archive", "sealed", "closed")
    ]
    api.close_account(AccountId=ids[2])
    keys = server.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ids[0]}:role/audit", RoleSessionName="test"
    )["Credentials"]
    archive = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=server.url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    archive.create_bucket(
        Bucket="central-logs", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    archive.put_bucket_versioning(
        Bucket="central-logs", VersioningConfiguration={"Status": "Enabled"}
    )
    server.client("cloudtrail").create_trail(Name="main", S3BucketName="central-logs")
    return ids


def abroad(
    sealed: str, own_key: str
) -> Callable[[Request, Callable[[], Response]], Response | None]:
    """Deny the bucket to all but its owner, and the role in one account to everybody."""

    def answer(request: Request, passed: Callable[[], Response]) -> Response | None:
        if "role%2Faudit" in (form := request.get_data(as_text=True)) and sealed in form:
            return sns_error("AccessDenied", "not authorized to perform: sts:AssumeRole")
        if "central-logs" in request.path and own_key in request.headers.get("Authorization", ""):
            return s3_error("AccessDenied", "Access Denied")
        return None

    return answer


def test_an_organization_is_audited_by_one_role_and_goes_on(server: Server, tmp_path: Path) -> None:
    archive, sealed, closed = organization(server)
    server.disturb.append(abroad(sealed, "AKIAIOSFODNN7EXAMPLE"))
    checks = ["bucket-versioning", "bucket-exists-owned", "trail-kms"]
    told: list[tuple[str, str]] = []
    result = audit_organization(
        "audit",
        settings=SETTINGS,
        checks=checks,
        snapshot=tmp_path / "snapshots",
        report=lambda account, what: told.append((account, what)),
    )
    assert result.accounts == sorted([ACCOUNT, archive])
    assert {one.account_id for one in result.unreached} == {sealed, closed}
    assert {one.account_id: one.why for one in result.unreached}[closed].endswith("suspended")
    assert "sts:AssumeRole" in {one.account_id: one.why for one in result.unreached}[sealed]
    found = {
        (one.check_id, one.resource): one
        for one in result.findings
        if "central-logs" in one.resource
    }
    # The management account is denied the bucket; the account that owns it was asked instead.
    assert {one.status for one in found.values()} == {"pass"}
    owned = found["bucket-exists-owned", "arn:aws:s3:::central-logs"]
    assert owned.evidence["owner"] == archive
    assert len(told) == 3

    before = len(server.requests)
    again = audit_organization(
        "audit", settings=SETTINGS, checks=checks, snapshot=tmp_path / "snapshots"
    )
    assert again.findings == result.findings
    files = sorted(path.stem for path in (tmp_path / "snapshots").iterdir())
    assert files == sorted([ACCOUNT, archive])
    asked = server.requests[before:]
    assert not any("versioning" in path for _, path in asked)
    offline = audit(settings=SETTINGS, checks=checks, source=tmp_path / "snapshots")
    assert len(offline.accounts) == 2


def test_accounts_come_from_a_file(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "accounts.txt"
    file.write_text("account_id,name\n111122223333,prod\n# none of these\n444455556666,dev\n")
    result = audit_organization(
        "path/audit", settings=SETTINGS, accounts=file, checks=["trail-exists"]
    )
    assert result.accounts == ["111122223333", "444455556666"]
    assert {one.status for one in result.findings} == {"fail"}
    file.write_text("account_id\n111122223333\nprod\n")
    with pytest.raises(UsageError, match="line 3"):
        audit_organization("audit", settings=SETTINGS, accounts=file)
    with pytest.raises(UsageError, match="can't both be assumed"):
        audit_organization(
            "audit", settings=Settings(audit_aws=Aws(role_arn="arn:aws:iam::111122223333:role/a"))
        )


def test_a_snapshot_holds_no_line_of_users_in_the_credential_report(readings: Readings) -> None:
    for snapshot in (readings.good, readings.bad):
        for read in snapshot.reads.values():
            if read.ask.api == "iam:GetCredentialReport":
                assert read.answer is not None
                assert "ada" not in read.answer["Content"]
    assert isinstance(readings.good, Snapshot)
    assert account.TRAIL
