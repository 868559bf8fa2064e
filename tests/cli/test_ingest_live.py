"""`ctanalytics ingest` as it is left to run, and as it asks before it costs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import Progress
from ctanalytics.cli import console
from ctanalytics.cli.ingest_progress import Shown, span
from ctanalytics.cli.main import main
from tests.aws_server import Server, aws_server, environment
from tests.cli.runner import run
from tests.logs import START, key, record, write


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    for number in range(3):
        write(folder / key(number), [record(number)])
    return folder


def follow(home: Path, *arguments: str) -> subprocess.Popen[str]:
    code = "from ctanalytics.cli.main import run; run()"
    flags = ["ingest", "logs", "--lake", "lake", "--workers", "1", "--follow", *arguments]
    return subprocess.Popen(
        [sys.executable, "-c", code, *flags],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores it, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_following_prints_a_line_a_pass_and_ends_cleanly_on_a_signal(
    tmp_path: Path, logs: Path, number: signal.Signals
) -> None:
    process = follow(tmp_path, "--every", "1s", "--json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    write(logs / key(9), [record(9)])
    second = json.loads(process.stdout.readline())
    while not second["records_written"]:
        second = json.loads(process.stdout.readline())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, first["records_written"], second["records_written"]) == (0, 3, 1)
    assert "stopped; what was begun is finished by the next run" in said
    assert not list((tmp_path / "lake" / "leases").glob("*"))


def test_following_says_what_came_in_words(tmp_path: Path, logs: Path) -> None:
    process = follow(tmp_path, "--every", "1h")
    assert process.stdout is not None
    line = process.stdout.readline()
    time.sleep(0.2)
    process.terminate()
    process.communicate(timeout=60)
    assert line.startswith("3 objects listed, 3 ingested; 3 events written")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--every", "5"),
        ("--every", "0m"),
        ("--every", "m"),
        ("--follow", "--dry-run"),
        ("--follow", "--retry"),
        ("--restore", "7", "--follow"),
        ("--restore", "0"),
        ("--queue", "my-queue"),
        ("--queue", "https://sqs.eu-west-1.amazonaws.com/111122223333/trail"),
    ],
)
def test_flags_that_make_no_sense_are_usage_errors(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["ingest", "logs", "--lake", "lake", *wrong]) == 2
    assert not (tmp_path / "lake").exists()


def test_more_than_was_agreed_to_is_refused_without_a_terminal(tmp_path: Path, logs: Path) -> None:
    few = {"CTANALYTICS_INGEST_ASK_ABOVE": "2"}
    ran = run("ingest", "logs", "--lake", "lake", "--workers", "1", cwd=tmp_path, env=few)
    assert ran.code == 2
    assert "more than 2 objects are to be read" in ran.err
    assert "--yes" in ran.err
    assert not list((tmp_path / "lake").glob("tables/events/**/*.parquet"))
    arguments = ("ingest", "logs", "--lake", "lake", "--workers", "1", "--json")
    asked = run(*arguments, "--yes", cwd=tmp_path, env=few)
    assert (asked.code, json.loads(asked.out)["records_written"]) == (0, 3)
    # What is known is not to be read: nobody is asked.
    assert run(*arguments, cwd=tmp_path, env=few).code == 0


def test_a_dry_run_tells_requests_dollars_and_time(server: Server, tmp_path: Path) -> None:
    s3 = server.bucket("logs")
    for number in range(3):
        s3.put_object(Bucket="logs", Key=key(number), Body=b"x" * 1_000)
    arguments = ("ingest", "s3://logs", "--lake", "lake", "--since", f"{START:%Y-%m-%d}")
    env = environment(server.url)
    ran = run(*arguments, "--dry-run", cwd=tmp_path, env=env)
    assert ran.code == 0, ran.err
    assert "3 to read, 3,000 bytes" in ran.out
    assert "3 GET and up to 3 KMS requests to make: less than a cent at most" in ran.out
    assert "prices: us-east-1, 2026" in ran.out
    found = json.loads(run(*arguments, "--dry-run", "--json", cwd=tmp_path, env=env).out)
    estimate = found["estimate"]
    assert (estimate["objects"], estimate["bytes_total"]) == (3, 3_000)
    assert estimate["list_requests"] == found["list_requests"] > 0
    assert estimate["dollars"] > 0
    assert not (tmp_path / "lake").exists()


def test_a_restore_is_refused_without_a_yes(server: Server, tmp_path: Path) -> None:
    s3 = server.bucket("logs")
    s3.put_object(Bucket="logs", Key=key(0), Body=b"x", StorageClass="GLACIER")
    arguments = ("ingest", "s3://logs", "--lake", "lake", "--restore", "7")
    env = environment(server.url)
    ran = run(*arguments, cwd=tmp_path, env=env)
    assert ran.code == 2
    assert "1 objects would be restored, for about" in ran.err
    assert server.count("POST", "restore") == 0
    ran = run(*arguments, "--yes", "--json", cwd=tmp_path, env=env)
    assert (ran.code, json.loads(ran.out)["objects_asked"]) == (0, 1)
    assert server.count("POST", "restore") == 1


def test_a_queue_is_emptied_and_its_counts_are_told(server: Server, tmp_path: Path) -> None:
    server.bucket("logs")
    url = server.client("sqs").create_queue(QueueName="trail")["QueueUrl"]
    server.client("sqs").send_message(QueueUrl=url, MessageBody="garbage")
    server.client("s3").put_object(Bucket="logs", Key="x.txt", Body=b"")
    env = environment(server.url) | {"CTANALYTICS_INGEST_QUEUE_WAIT_SECONDS": "0"}
    ran = run("ingest", "s3://logs", "--queue", url, "--lake", "lake", cwd=tmp_path, env=env)
    assert ran.code == 3, ran.err
    assert "1 messages (0 ignored, 1 parked, 0 to be tried again)" in ran.out
    assert "not JSON" in ran.out


# Progress


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_without_a_terminal_progress_is_a_line_with_rates_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 111.0, 122.0, 133.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, 200.0))
    monkeypatch.setattr(console.shared, "log_format", "json")
    shown = Shown(console.Silent(), _last_line=90.0)
    shown(Progress(0, 0, 0, listed=1_000))
    shown(Progress(0, 0, 0, objects_total=100, bytes_total=2_200))
    shown(Progress(10, 1_100, 1_100, objects_total=100, bytes_total=2_200))
    found: list[dict[str, Any]] = [json.loads(line) for line in lines(capsys)]
    assert [line["message"] for line in found] == ["listing", "ingesting", "ingesting"]
    assert found[0]["listed"] == 1_000
    assert found[2]["records_per_second"] == 100.0
    assert found[2]["seconds_left"] == 11.0
    monkeypatch.setattr(console.shared, "log_format", "text")
    shown(Progress(20, 2_200, 2_200, objects_total=100, bytes_total=2_200))
    (line,) = lines(capsys)
    assert line.startswith("ingesting: objects=20 objects_total=100 records=2200")


def test_on_a_terminal_the_bar_has_rates_and_time_left() -> None:
    told: list[tuple[int, str, int | None]] = []

    class Bar:
        def update(self, completed: int, text: str = "", total: int | None = None) -> None:
            told.append((completed, text, total))

    shown = Shown(Bar())
    shown(Progress(0, 0, 0, 100, 10**9))
    time.sleep(0.02)
    shown(Progress(10, 5_000, 10**6, 100, 10**9))
    completed, text, total = told[-1]
    assert (completed, total) == (10, 100)
    assert "10 of 100 objects  5,000 records" in text
    assert "MB/s" in text
    assert text.endswith("left")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59, "59s"), (200, "3m 20s"), (7_500, "2h 05m")]
)
def test_a_duration_is_written_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text
