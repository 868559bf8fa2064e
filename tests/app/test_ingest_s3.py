"""Ingest from a bucket into a lake in a bucket: the same lake as from a folder to a folder."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.ingest import ingest
from ctanalytics.app.query import query
from ctanalytics.settings import Ingest, Settings
from tests.aws_server import Server, aws_server, environment, s3_error
from tests.logs import START, document, key, record

ROWS = """
select event_id, event_time, account_id, aws_region, event_name, request_parameters
from events order by event_id
"""
ALL = {"settings": Settings(ingest=Ingest(workers=1)), "since": START - dt.timedelta(days=1)}
FILES = 4


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("logs")
        running.bucket("lake")
        yield running


def files() -> dict[str, bytes]:
    """Log files of two regions by key, five records each; the last two files share records."""
    found = {}
    for number in range(FILES):
        first = 5 * min(number, FILES - 2)
        name = key(number, aws_region=("eu-west-1", "us-east-1")[number % 2])
        found[name] = gzip.compress(document(record(first + n) for n in range(5)))
    return found


def upload(server: Server) -> None:
    s3 = server.client("s3")
    for name, data in files().items():
        s3.put_object(Bucket="logs", Key=name, Body=data)


@pytest.fixture(scope="module")
def from_a_folder(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The rows that the same files give by folder, in a local lake."""
    home = tmp_path_factory.mktemp("local")
    for name, data in files().items():
        path = home / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    ingest([str(home / "logs")], str(home / "lake"), **ALL)
    return query(ROWS, str(home / "lake"))


def test_a_bucket_gives_the_lake_that_a_folder_gives(
    from_a_folder: pa.Table, server: Server
) -> None:
    upload(server)
    first = ingest(["s3://logs"], "s3://lake/trail", **ALL)
    assert (first.objects_ingested, first.records_read) == (FILES, 5 * FILES)
    assert (first.records_written, first.records_duplicate) == (5 * FILES - 5, 5)
    assert first.get_requests == FILES
    assert query(ROWS, "s3://lake/trail").equals(from_a_folder)
    again = ingest(["s3://logs"], "s3://lake/trail", **ALL)
    assert (again.objects_listed, again.objects_skipped) == (FILES, FILES)
    assert (again.records_written, again.get_requests) == (0, 0)


def test_objects_that_may_not_be_read_are_taken_when_they_may(server: Server) -> None:
    upload(server)
    denied = sorted(files())[1]

    def deny(request, passed):  # type: ignore[no-untyped-def]
        if request.method == "GET" and request.path.endswith(denied):
            return s3_error("AccessDenied", "Access Denied")
        return None

    server.disturb.append(deny)
    first = ingest(["s3://logs"], "s3://lake/trail", **ALL)
    assert (first.objects_ingested, first.objects_deferred) == (FILES - 1, 1)
    assert not first.complete
    assert "s3:GetObject" in json.dumps(first.set_aside) + json.dumps(first.notes)
    server.disturb.clear()
    second = ingest(["s3://logs"], "s3://lake/trail", **ALL)
    assert (second.objects_ingested, second.complete) == (1, True)


def test_archived_objects_are_counted_and_never_fetched(server: Server) -> None:
    upload(server)
    name = sorted(files())[0]
    server.client("s3").put_object(Bucket="logs", Key=name, Body=b"x", StorageClass="DEEP_ARCHIVE")
    server.requests.clear()
    result = ingest(["s3://logs"], "s3://lake/trail", **ALL)
    assert (result.objects_archived, result.objects_ingested) == (1, FILES - 1)
    assert result.complete
    assert server.count("GET", f"/logs/{name}") == 0


RUN = """
import datetime as dt, sys
from ctanalytics.app.ingest import ingest
from ctanalytics.settings import Ingest, Settings
if __name__ == "__main__":
    ingest(["s3://logs"], "s3://lake/trail", settings=Settings(ingest=Ingest(workers=1, plan_objects=2)),
           since=dt.datetime.fromisoformat(sys.argv[1]))
"""


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(("PUT", "/lake/trail/staging/000000000002"), id="staged"),
        pytest.param(("PUT", "/lake/trail/plans/000000000002.result.json"), id="result"),
        pytest.param(
            ("PUT", "/lake/trail/tables/log_files/_delta_log/00000000000000000002.json"),
            id="ledger",
        ),
    ],
)
def test_a_kill_during_an_ingest_into_s3_and_a_rerun_are_one_run(
    from_a_folder: pa.Table, server: Server, moment: tuple[str, str]
) -> None:
    upload(server)
    running: list[subprocess.Popen[bytes]] = []
    met: list[str] = []

    def kill(request, passed):  # type: ignore[no-untyped-def]
        method, beginning = moment
        if request.method != method or not request.path.startswith(beginning) or met:
            return None
        met.append(request.path)
        answer = passed()  # it is done, and who asked for it will never hear of it
        os.kill(running[0].pid, signal.SIGKILL)
        time.sleep(0.1)
        return answer

    server.disturb.append(kill)
    running.append(process(server))
    assert running[0].wait(timeout=60) == -signal.SIGKILL, "it ended before that moment"
    assert met
    ingest(["s3://logs"], "s3://lake/trail", **ALL)
    assert query(ROWS, "s3://lake/trail").equals(from_a_folder)
    states = query(
        "select state, count(*) as n from ingest_files group by state", "s3://lake/trail"
    )
    assert states.to_pylist() == [{"state": "ingested", "n": FILES}]


def process(server: Server) -> subprocess.Popen[bytes]:
    since: Any = ALL["since"]
    command = [sys.executable, "-c", RUN, since.isoformat()]
    return subprocess.Popen(command, env={**os.environ, **environment(server.url)})
