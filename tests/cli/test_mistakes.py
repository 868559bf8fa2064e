"""What people do wrong first, and whether what they read then tells them what to do instead."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctanalytics.cli.main import main
from tests.aws_server import Disturb, Request, Response, Server, aws_server, s3_error
from tests.emitters import alerts

SETTINGS = {
    "typo.toml": 'lake = "lake"\n[detect]\nbudgt = 3\n',
    "kind.toml": '[detect]\nbudget = "many"\n',
    "broken.toml": "lake = x\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake, some settings, and an empty folder."""
    made = tmp_path_factory.mktemp("mistakes")
    alerts.lake(made / "lake", alerts.row("a"))
    for name, text in SETTINGS.items():
        (made / name).write_text(text)
    (made / "empty").mkdir()
    (made / "logs.json").write_text("{}")
    return made


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    return place


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as running:
        running.bucket("logs")
        yield running


@pytest.fixture
def server(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", shared_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    yield shared_server
    shared_server.disturb.clear()


LOCAL = [
    pytest.param("ingest", 2, ["no source is named", "`sources` in"], id="no-source"),
    pytest.param("ingest nowhere", 1, ["no such folder", "check the path"], id="no-folder"),
    pytest.param("ingest s3:/trail-logs", 1, ["with two slashes"], id="one-slash"),
    pytest.param("ingest empty", 1, ["no file in this folder"], id="empty-folder"),
    pytest.param(
        "ingest s3://trail-logs", 1, ["no AWS credentials", "aws sso login"], id="no-credentials"
    ),
    pytest.param(
        "ingest s3://trail-logs --profile nobody", 2, ["list-profiles"], id="no-such-profile"
    ),
    pytest.param(
        "query 'select 1' --lake none", 1, ["no lake here", "ctanalytics ingest"], id="no-lake"
    ),
    pytest.param(
        "query 'select 1' --lake logs.json", 1, ["a lake is a folder"], id="lake-is-a-file"
    ),
    pytest.param("query 'select princpal from users'", 1, ['"principal"', "views"], id="column"),
    pytest.param("query 'select * from userss'", 1, ['Did you mean "users"'], id="table"),
    pytest.param("query 'drop table users'", 1, ["read-only", "use SELECT"], id="writing-sql"),
    pytest.param("detect --detector callrate", 2, ["no detector", "call_rate"], id="detector"),
    pytest.param("detect --since 2026-13-01", 2, ["not a time", "2026-11-24T08"], id="no-time"),
    pytest.param(
        "detect --since 2026-11-02 --until 2026-11-01", 2, ["is empty", "before"], id="empty-span"
    ),
    pytest.param(
        "lake expire --older-than 400x --lake lake", 2, ["write 400d"], id="neither-age-nor-date"
    ),
    pytest.param("emit --to sns:alerts", 2, ["no ARN", "aws sns list-topics"], id="no-arn"),
    pytest.param("emit --to slack", 2, ["no target", "webhook:URL"], id="target"),
    pytest.param("explain zzzz", 2, ["no anomaly", "anomaly_id"], id="anomaly"),
    pytest.param("show nope", 1, ["no event nope"], id="event"),
    pytest.param("validate empty", 1, ["neither digests nor log files"], id="nothing-to-validate"),
    pytest.param("rules run none --lake lake", 1, ["packaged ones"], id="no-rules"),
    pytest.param(
        "report --output logs.json", 1, ["a file", "name a folder"], id="output-is-a-file"
    ),
    pytest.param("query 'select 1' --config typo.toml", 2, ["detect.budget"], id="setting"),
    pytest.param("query 'select 1' --config kind.toml", 2, ["Expected `float`"], id="type"),
    pytest.param("query 'select 1' --config broken.toml", 2, ["line 1"], id="no-toml"),
    pytest.param("query 'select 1' --config none.toml", 2, ["no such settings"], id="no-file"),
    pytest.param("ingset logs", 2, ["Did you mean 'ingest'"], id="command"),
    pytest.param("ingest logs --lke x", 2, ["--lake"], id="flag"),
    pytest.param("deploy render trail", 2, ["ctanalytics deploy list"], id="template"),
]


def tried(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    words = shlex.split(line)
    if (
        words[0] in ("query", "detect", "emit", "explain", "show", "report")
        and "--lake" not in words
    ):
        words += ["--lake", "lake"]
    elif words[0] == "ingest" and "--lke" not in words:
        words += ["--lake", "new"]
    code = main(words)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(("line", "code", "told"), LOCAL)
def test_a_mistake_says_what_to_do_instead(
    line: str, code: int, told: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, said = tried(line, capsys)
    assert found == code, said
    assert [words for words in told if words not in said] == []
    assert "Traceback" not in said


def _deny(code: str, status: int, method: str) -> Disturb:
    def disturb(request: Request, _: Callable[[], Response]) -> Response | None:
        return s3_error(code, code, status) if request.method == method else None

    return disturb


REMOTE = [
    pytest.param("ingest s3://nowhere", None, ["no such bucket"], id="no-bucket"),
    pytest.param("ingest s3://logs/AWSLogs", None, ["no object below"], id="empty-prefix"),
    pytest.param(
        "ingest s3://logs",
        _deny("AccessDenied", 403, "GET"),
        ["s3:ListBucket is missing", "allow s3:ListBucket"],
        id="no-permission",
    ),
    pytest.param(
        "ingest s3://logs",
        _deny("ExpiredToken", 400, "HEAD"),
        ["expired", "aws sso login"],
        id="expired",
    ),
    pytest.param("query 'select 1' --lake s3://logs/none", None, ["no lake here"], id="no-lake"),
]


@pytest.mark.parametrize(("line", "disturb", "told"), REMOTE)
def test_a_mistake_on_aws_says_what_to_do_instead(
    line: str,
    disturb: Disturb | None,
    told: list[str],
    here: Path,
    server: Server,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if disturb:
        server.disturb.append(disturb)
    code, said = tried(line, capsys)
    assert code == 1, said
    assert [words for words in told if words not in said] == []
    assert "Traceback" not in said


def test_a_missing_extra_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert main(["ingest", "logs.json", "--lake", "new", "--executor", "spark"]) in (1, 2)
    assert "pip install 'ctanalytics[spark]'" in capsys.readouterr().err
