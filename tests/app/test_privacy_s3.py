"""Reading again and erasing, in a lake that lies in a bucket, down to the last file."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from ctanalytics.app.forget import forget
from ctanalytics.app.ingest import ingest
from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.app.query import query
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Ingest, Redact, Settings
from tests.aws_server import Server, aws_server
from tests.lake.test_erasure import ALICE
from tests.lake.test_treatment import ASSUME, SECRET
from tests.logs import START, document, key, record

LAKE = "s3://lake/trail"
ONE = Ingest(workers=1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("logs")
        running.bucket("lake")
        yield running


def test_secrets_and_people_leave_a_bucket_for_good(server: Server) -> None:
    records: list[dict[str, Any]] = [
        record(0, **ASSUME), record(1, userIdentity=ALICE), record(2),
        record(3, requestParameters={"userName": "alice.meyer"}),
    ]  # fmt: skip
    s3 = server.client("s3")
    s3.put_object(Bucket="logs", Key=key(0), Body=gzip.compress(document(records)))
    plain = Settings(ingest=ONE, redact=Redact(mask=[]))
    ingest(["s3://logs"], LAKE, settings=plain, since=START)
    again = ingest(["s3://logs"], LAKE, settings=Settings(ingest=ONE), reingest=True)
    assert (again.objects_ingested, again.records_written) == (1, 4)
    result = forget(LAKE, kind="user_name", value="Alice.Meyer")
    assert (result.removed, result.covered) == (1, 1)
    assert check(LAKE).flaws == []
    lake = Lake.open(LAKE)
    before = set(lake.store.list("tables/events/"))
    vacuum(LAKE, retention_hours=0, force=True)
    after = {path for path in lake.store.list("tables/events/") if path.endswith(".parquet")}
    assert len(after) == 1 and len(before) > len(after)
    rows = query("select * from events order by event_time", LAKE).to_pylist()
    assert len(rows) == 3
    assert SECRET not in repr(rows) and "alice" not in repr(rows).lower()
