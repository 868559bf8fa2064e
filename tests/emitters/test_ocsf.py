"""Findings that OCSF's own schema accepts, as lines and as Parquet."""

from __future__ import annotations

import functools
import io
import json
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pyarrow.parquet as pq
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from ctanalytics.emitters import parse_target
from ctanalytics.emitters.base import Account, Alert, Emitter, Outside, Run
from ctanalytics.emitters.finding import OCSF_VERSION, finding
from ctanalytics.emitters.summary import trial, within
from ctanalytics.errors import EmitError, UsageError
from ctanalytics.settings import Aws
from tests.aws_server import Server, aws_server
from tests.emitters.alerts import NOW, alert, incident


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as monkeypatch, aws_server(monkeypatch) as running:
        yield running


BARE = {
    "account_id": None,
    "aws_region": None,
    "event_source": None,
    "event_name": None,
    "principal_arn": None,
    "ended_at": None,
    "evidence": "{}",
}


@functools.cache
def validator() -> jsonschema.Draft202012Validator:
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION))
    made = schemas.get_class_schema(class_name="detection_finding", profiles=["cloud"])
    return jsonschema.Draft202012Validator(made)


def faults(document: Any) -> list[str]:
    return [
        f"{list(one.absolute_path)}: {one.message}" for one in validator().iter_errors(document)
    ]


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(alert(), id="anomaly"),
        pytest.param(
            replace(alert(), accounts=(Account("111122223333", "payments"),)), id="named-account"
        ),
        pytest.param(alert(error_code="AccessDenied", detector="sigma"), id="rule"),
        pytest.param(alert(**BARE), id="bare"),
        pytest.param(alert(state="withdrawn", is_update=True), id="withdrawn"),
        pytest.param(incident(), id="incident"),
        pytest.param(incident(state="closed", closed_because="ended", ended_at=NOW), id="closed"),
        pytest.param(within([alert("a"), alert("b")], 1)[-1], id="summary"),
        pytest.param(trial(NOW), id="test"),
    ],
)
def test_a_finding_is_valid_ocsf(one: Alert) -> None:
    assert faults(finding(one)) == []


def test_the_schema_is_no_rubber_stamp() -> None:
    good = finding(alert())
    assert faults(good | {"class_uid": 6003})
    assert faults(good | {"time": "yesterday"})
    assert faults({name: value for name, value in good.items() if name != "metadata"})


def test_a_finding_tells_the_rate_what_became_of_it_and_its_ids() -> None:
    rate = {"unit": "calls per minute", "points": [["2024-05-02T03:00:00Z", 214, 2.5]]}
    found = finding(alert(evidence=json.dumps({"rate": rate, "event_ids": ["e1"]}), is_update=True))
    (analysis,) = found["anomaly_analyses"]
    assert analysis["analysis_targets"][0]["name"] == "ec2.amazonaws.com:RunInstances"
    assert analysis["anomalies"][0]["observations"] == [{"value": "214"}]
    assert analysis["baselines"][0]["observations"] == [{"value": "2.5"}]
    assert (found["activity_id"], found["type_uid"]) == (3, 200_403)
    assert found["metadata"]["uid"] == alert().alert_id
    assert found["finding_info"]["uid"] == alert().anomaly_id
    assert found["finding_info"]["related_events"] == [{"uid": "e1"}]
    assert finding(incident())["finding_info"]["attacks"][0] == {"technique": {"uid": "T1098.001"}}


def to(address: str) -> Emitter:
    return parse_target(f"ocsf:{address}", Outside(Aws(), io.StringIO())).emitter


def test_lines_are_added_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "findings.ndjson"
    for name in "ab":
        to(str(path)).send([alert(name)])
    assert [faults(json.loads(line)) for line in path.read_text().splitlines()] == [[], []]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert to(str(path)).preview([alert()], Run(NOW)) == "would add 1 JSON lines"


def test_parquet_reads_as_one_table_and_a_repeated_call_adds_no_row(tmp_path: Path) -> None:
    emitter = to(f"{tmp_path}/ocsf/")
    calls = [[alert("a"), incident()], [alert("b", **BARE)], [alert("a"), incident()]]
    for alerts in calls:
        assert [outcome.verdict for outcome in emitter.send(alerts)] == ["sent"] * len(alerts)
    files = sorted((tmp_path / "ocsf").iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    rows = duckdb.sql(
        f"select finding_info.title, json_extract_string(unmapped, '$.state') as state "
        f"from read_parquet('{tmp_path}/ocsf/*.parquet') order by all"
    ).fetchall()
    assert rows == [
        ("Surge of RunInstances (a)", "closed"),
        ("Surge of RunInstances (b)", "closed"),
        ("ci does what it never did (i)", "open"),
    ]
    row = pq.read_table(files[0]).to_pylist()[0]
    assert faults(_present(row | {"unmapped": json.loads(row["unmapped"])})) == []


def test_a_bucket_gets_an_object_for_each_call_encrypted_and_without_an_acl(
    server: Server,
) -> None:
    server.bucket("security")
    s3 = server.client("s3")
    emitter = to("s3://security/ocsf/")
    for alerts in ([alert("a"), incident()], [alert("a"), incident()]):
        assert [outcome.verdict for outcome in emitter.send(alerts)] == ["sent"] * 2
    (found,) = s3.list_objects_v2(Bucket="security")["Contents"]  # a repeated call replaces its own
    assert re.fullmatch(r"ocsf/findings-[0-9]{8}-[0-9a-f]{16}\.parquet", found["Key"])
    object_ = s3.get_object(Bucket="security", Key=found["Key"])
    assert object_["ServerSideEncryption"] == "aws:kms"
    grants = s3.get_object_acl(Bucket="security", Key=found["Key"])["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]  # its owner alone
    rows = pq.read_table(io.BytesIO(object_["Body"].read())).to_pylist()
    assert [row["finding_info"]["uid"] for row in rows] == [
        alert("a").anomaly_id,
        incident().anomaly_id,
    ]
    assert emitter.preview([alert()], Run(NOW)) == "would write 1 rows into 1 objects"
    with pytest.raises(EmitError, match="bucket"):
        to("s3://nowhere-at-all/").send([alert()])


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value


def test_a_place_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        to(f"{tmp_path}/not/there.ndjson")
    with pytest.raises(EmitError, match="can't be written"):
        to(f"{tmp_path}/not/there/").send([alert()])
    assert list(tmp_path.iterdir()) == []
