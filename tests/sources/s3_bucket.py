"""A bucket of logs on the local server, and what is asked of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ctanalytics.records.object_key import log_key
from ctanalytics.settings import Aws
from ctanalytics.sources.base import (
    LogObject,
    Selection,
    open_source,
)
from tests.aws_server import Server, aws_server, s3_error

DAY = dt.datetime(2024, 5, 1, 13, 5, tzinfo=dt.UTC)

A, B = "111122223333", "444455556666"

EVERYTHING = Selection()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("logs")
        yield running


def put(server: Server, *keys: str, data: bytes = b"{}", **options: Any) -> None:
    for key in keys:
        server.client("s3").put_object(Bucket="logs", Key=key, Body=data, **options)
    server.requests.clear()


def key(account: str = A, region: str = "eu-west-1", day: int = 0, **parts: Any) -> str:
    delivered = DAY + dt.timedelta(days=day)
    parts = {"unique": "kpm5AOVe7mTzQxcV"} | parts
    return log_key(account_id=account, aws_region=region, delivered=delivered, **parts)


def listed(uri: str, selection: Selection = EVERYTHING) -> list[str]:
    return [found.key for batch in open_source(uri, Aws()).list(selection) for found in batch]


def lists(server: Server) -> list[dict[str, str]]:
    queries = [urlsplit(path).query for method, path in server.requests if method == "GET"]
    parsed = [{name: values[0] for name, values in parse_qs(query).items()} for query in queries]
    return [query for query in parsed if "list-type" in query]


def deny_lists(server: Server, *allowed: str) -> None:
    """Allow a listing only of prefixes that begin with one of these, as s3:prefix does."""

    def policy(request, passed):  # type: ignore[no-untyped-def]
        prefix = request.args.get("prefix", "")
        if "list-type" in request.args and not prefix.startswith(allowed):
            return s3_error("AccessDenied", "Access Denied")
        return None

    server.disturb.append(policy)


def only(server: Server) -> tuple[Any, LogObject]:
    put(server, "x.json.gz", data=b"12345")
    source = open_source("s3://logs", Aws())
    ((found,),) = source.list(EVERYTHING)
    return source, found


def answer_gets(server: Server, code: str, message: str, status: int = 403) -> None:
    def fault(request, passed):  # type: ignore[no-untyped-def]
        if request.method == "GET" and request.path.endswith("/x.json.gz"):
            return s3_error(code, message, status)
        return None

    server.disturb.append(fault)
