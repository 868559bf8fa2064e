"""Every example of a --help page is run as it stands there, but for names that only its reader has.

So are the README, the quick start and the SQL of all pages.
"""

from __future__ import annotations

import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics.cli.main import main
from tests.aws_server import Server, aws_server
from tests.cli.test_main import COMMANDS
from tests.pages import blocks, commands
from tests.sources.reports import report, row

DONE = (0, 3)
"""What a command that was used well may end with: all done, or done in part."""
STOPPED = 130
"""Of a command that ends when it is told to."""

SETTINGS = """
lake = "lake"
sources = ["s3://central-trail-logs"]
[emit]
targets = ["file:alerts.ndjson"]
[report]
output = "reports"
"""
CREDENTIALS = """
[management]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = example
"""
FILES = {
    "accounts.csv": "account_id,name,environment\n111122223333,shop,production\n",
    "bad.txt": "198.51.100.0/24\nAKIAIOSFODNN7EXAMPLE\n",
    "ctanalytics.toml": SETTINGS,
    "credentials": CREDENTIALS,
    "config": "[profile management]\nregion = us-east-1\n",
}
FURTHER = {
    # The local server has no ListPublicKeys, and takes a second for each region.
    "validate": ["--public-keys", "raw/public-keys.json"],
    "audit": ["--audit-region", "eu-west-1", "--check", "trail-*"],
    # Signing takes long, as do 35 days.
    "simulate": ["--digests", "none", "--days", "3"],
    # A person is asked.
    "forget": ["--yes"],
}
ELSEWHERE = (["make"], ["pip"], ["ctanalytics", "simulate"])
"""What needs a network, a clone or a minute; `make first-ten-minutes` runs it."""


@dataclass(frozen=True)
class Bench:
    """A folder with all that examples speak of."""

    folder: Path
    server: Server
    words: dict[str, str]
    """Words of examples -> what is called so here."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two weeks of a small organization, in a folder, in two buckets and in a lake."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as server:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        for name, content in FILES.items():
            (folder / name).write_text(content)
        made = "raw --start 2026-10-27 --days 7 --events-per-day 60 --file-minutes 1440 --digests 1"
        assert main(["simulate", *made.split()]) == 0
        for root in (
            Path(ctanalytics.__file__).parent / "rules",
            Path(__file__).parents[1] / "rules",
        ):
            for path in (root / "tampering").rglob("trail_*"):
                to = folder / "our-rules" / path.relative_to(root)
                to.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if path.is_dir() else shutil.copy)(path, to)
        (folder / "logs").symlink_to("raw")
        _upload(server, folder / "raw")
        sns = server.client("sns").create_topic(Name="alerts")
        server.client("organizations", "us-east-1").create_organization(FeatureSet="ALL")
        assert main(["ingest", "raw", "--lake", "lake"]) == 0
        assert (
            main(["detect", "--lake", "lake", "--since", "2026-11-01", "--detector", "sigma"]) == 0
        )
        assert main(["incidents", "build", "--lake", "lake"]) == 0
        keys = ["--public-keys", "raw/public-keys.json"]
        some = "select event_id, source_object, source_row from events limit 3"
        assert main(["bundle", "--sql", some, "--lake", "lake", *keys]) in DONE
        yield Bench(folder, server, _words(folder, sns["TopicArn"]))


def _upload(server: Server, raw: Path) -> None:
    """The logs of the last day, and a report that lists them."""
    rows = []
    for bucket in ("central-trail-logs", "audit-logs"):
        s3 = server.bucket(bucket)
        for path in sorted(raw.rglob("2026/11/02/*.json.gz")):
            key, body = path.relative_to(raw).as_posix(), path.read_bytes()
            put = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=_metadata(raw, key))
            rows.append(row(key, len(body), put["ETag"].strip('"'), bucket=bucket))
    s3 = server.bucket("inventory")
    made = report([rows[: len(rows) // 2]], "CSV", bucket="central-trail-logs")
    for name, content in made.items():
        s3.put_object(Bucket="inventory", Key=name, Body=content)


def _metadata(root: Path, key: str) -> dict[str, str]:
    """The signature of a digest, as it lies beside the object in S3."""
    beside = root / f"{key}.metadata.json"
    return json.loads(beside.read_text()) if beside.exists() else {}


def _words(folder: Path, topic: str) -> dict[str, str]:
    lake = str(folder / "lake")

    def one(sql: str) -> str:
        (row,) = ctanalytics.query(sql, lake).to_pylist()
        return str(next(iter(row.values())))

    role = one(
        "select principal from users where principal_type = 'role' and principal like '%:role/%' "
        "order by calls desc limit 1"
    )
    return {
        "TOPIC_ARN": topic,
        "simulate ./logs": "simulate ./others",
        "5m": "1s",
        "5000": "20",
        "s3://inventory/central-trail-logs/daily/": "s3://inventory/reports/logs/daily/",
        "sg-0a1b2c3d4e5f60718": one(
            "select resource from resource_events where not read_only and not is_error and not is_data "
            "and event_time >= timestamptz '2026-11-01 00:00Z' limit 1"
        ),
        "key=ASIAIOSFODNN7EXAMPLE": "key="
        + one("select access_key_id from events where access_key_id like 'ASIA%' limit 1"),
        "AKIAIOSFODNN7EXAMPLE": one(
            "select access_key_id from events where access_key_id like 'AKIA%' limit 1"
        ),
        "3b3d6347-672e-4bd9-aa2f-e77978f878b2": one("select event_id from events limit 1"),
        "3f9a51c2": one("select anomaly_id from anomalies limit 1")[:10],
        "e1f7bb2a0ed9": one("select incident_id from incidents limit 1"),
        "2026-11-24": "2026-11-02",
        "keys.json": "raw/public-keys.json",
        "arn:aws:iam::111122223333:role/deploy": role,
        "trail/main": "trail/management-events",
    }


def _stopped(flags: list[str]) -> tuple[int, str]:
    """Run a command that ends when it is told to, in a process of its own; and tell it to."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from ctanalytics.cli.main import run; run()", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()  # by which it is at work
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=120)
    return process.returncode, first + rest


def _examples() -> list[Any]:
    """One for each example of each command, groups that are commands themselves too."""
    found = []
    for parameter in COMMANDS:
        name, command = parameter.values
        for example in command.help.split("Example:")[1:]:
            found.append(pytest.param(name, " ".join(example.split()), id=" ".join(name)))
    return found


@pytest.mark.parametrize(("name", "example"), _examples())
def test_the_example_runs(
    name: tuple[str, ...],
    example: str,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = example
    for word, own in bench.words.items():
        text = text.replace(word, own)
    command, *flags = shlex.split(text)
    assert command == "ctanalytics"
    monkeypatch.setattr("sys.stdin", io.StringIO("select count(*) from users;\n"))
    if name in (("watch",), ("serve",)):
        code, text = _stopped(flags)
        assert code in (*DONE, STOPPED), text
        assert "Traceback" not in text
        return
    code = main([*flags, *FURTHER.get(name[0], [])])
    said = capsys.readouterr()
    assert code in DONE, said.err
    assert "Traceback" not in said.err


def test_the_first_pages_run_from_top_to_bottom(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their translations have the same commands, as tests/test_docs.py sees to."""
    topic = bench.words["TOPIC_ARN"]
    ran = []
    for words in [*commands("docs/index.md"), *commands("README.md")]:
        words = [word.removeprefix("./") for word in words]
        if words in ran or any(words[: len(begin)] == begin for begin in ELSEWHERE):
            continue
        ran.append(words)
        program, *flags = (
            word.replace("arn:aws:sns:eu-west-1:111122223333:alerts", topic) for word in words
        )
        assert program == "ctanalytics"
        code = main(flags)
        said = capsys.readouterr()
        assert code in DONE, f"{words}: {said.err}"
        assert "Traceback" not in said.err
    assert (bench.folder / "report" / "report.html").stat().st_size > 10_000


def test_the_sql_of_all_pages_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ";\n".join(block.text.rstrip().rstrip(";") for block in blocks("sql"))
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["shell", "--lake", "lake"]) == 0, capsys.readouterr().err
