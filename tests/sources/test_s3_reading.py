"""Objects of a bucket: what is read of them, and what is said when they can't be."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from ctanalytics.errors import SourceDenied, SourceError
from ctanalytics.settings import Aws, SourceAws
from ctanalytics.sources.base import (
    LogObject,
    Unread,
    open_source,
    source_from,
)
from tests.aws_server import DroppedError, Server, s3_error, tls_server
from tests.sources.s3_bucket import (
    EVERYTHING,
    A,
    answer_gets,
    key,
    listed,
    only,
    put,
    server,
)

__all__ = ["server"]  # fixtures


def test_a_bucket_whose_requester_pays_is_read_by_who_agrees_to(server: Server) -> None:
    put(server, key(A))

    def unpaid(request: Request, passed: Any) -> Response | None:
        if request.headers.get("x-amz-request-payer") == "requester" or request.method == "HEAD":
            return None
        return s3_error("AccessDenied", "Access Denied")

    server.disturb.append(unpaid)
    with pytest.raises(SourceDenied) as refused:
        listed("s3://logs")
    assert "--requester-pays" in refused.value.mend
    source = open_source("s3://logs", SourceAws(requester_pays=True))
    ((found,),) = source.list(EVERYTHING)
    again = source_from(json.loads(json.dumps(source.spec())))
    assert again.read(found, 100) == b"{}"


def test_archived_objects_are_told_from_the_listing_and_never_fetched(server: Server) -> None:
    classes = ["GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "STANDARD_IA", "INTELLIGENT_TIERING"]
    for number, name in enumerate(classes):
        put(server, f"{number}.json.gz", StorageClass=name)
    source = open_source("s3://logs", Aws())
    (batch,) = source.list(EVERYTHING)
    assert [(one.storage_class, one.archived) for one in batch] == [
        (name, name in ("GLACIER", "DEEP_ARCHIVE")) for name in classes
    ]
    got = source.read(batch[0], 100)
    assert isinstance(got, Unread)
    assert got.reason == "archived"
    assert source.requests.gets == 0


def test_a_restored_copy_is_no_archived_object() -> None:
    modified = dt.datetime.now(dt.UTC)
    found = LogObject("logs", "k", "e", 1, modified, storage_class="GLACIER", restored=True)
    assert not found.archived


def test_an_object_is_read_only_as_it_was_listed(server: Server) -> None:
    source, found = only(server)
    assert source.read(found, 5) == b"12345"
    put(server, "x.json.gz", data=b"67890")
    changed = source.read(found, 5)
    assert isinstance(changed, Unread)
    assert changed.reason == "changed"
    server.client("s3").delete_object(Bucket="logs", Key="x.json.gz")
    gone = source.read(found, 5)
    assert isinstance(gone, Unread)
    assert gone.reason == "gone"


def test_an_object_is_read_by_its_key_whatever_path_that_looks_like(server: Server) -> None:
    odd = ["../x", "a", "a/", "a/../../x", "a//x", "a/x?y#z", "a/%2e%2e/x", "x", "ä \x1b[2J", "~/x"]
    for name in odd:
        put(server, name, data=name.encode())
    source = open_source("s3://logs", Aws())
    found = [one for batch in source.list(EVERYTHING) for one in batch]
    assert sorted(one.key for one in found) == sorted(odd)
    assert [source.read(one, 100) for one in found] == [one.key.encode() for one in found]


def test_an_object_above_the_limit_is_not_fetched(server: Server) -> None:
    source, found = only(server)
    got = source.read(found, 4)
    assert isinstance(got, Unread)
    assert got.reason == "too_large"
    assert source.requests.gets == 0


@pytest.mark.parametrize(
    ("code", "message", "reason", "says"),
    [
        pytest.param("AccessDenied", "Access Denied", "denied", "s3:ListBucket", id="s3"),
        pytest.param(
            "AccessDenied",
            "User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: "
            "kms:Decrypt on resource: arn:aws:kms:eu-west-1:444455556666:key/abc because no "
            "resource-based policy allows the kms:Decrypt action",
            "denied",
            "allow kms:Decrypt on arn:aws:kms:eu-west-1:444455556666:key/abc",
            id="kms",
        ),
        pytest.param("InvalidObjectState", "archived", "archived", "restore", id="archive-tier"),
    ],
)
def test_what_aws_says_about_one_object_is_data(
    server: Server, code: str, message: str, reason: str, says: str
) -> None:
    source, found = only(server)
    answer_gets(server, code, message)
    got = source.read(found, 5)
    assert isinstance(got, Unread)
    assert got.reason == reason
    assert says in got.detail


def test_expired_credentials_say_nothing_about_the_object(server: Server) -> None:
    source, found = only(server)
    answer_gets(server, "ExpiredToken", "The provided token has expired.", 400)
    with pytest.raises(SourceDenied, match="expired"):
        source.read(found, 5)


def test_kms_throttling_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    source, found = only(server)
    answers = iter(range(9))

    def busy(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith("/x.json.gz") and next(answers, None) is not None:
            return s3_error("ThrottlingException", "Rate exceeded", 400)
        return None

    server.disturb.append(busy)
    assert source.read(found, 5) == b"12345"
    # One less where the bucket is known: the short way is not waited for (see aws_get).
    assert len(waits) in (8, 9)


def test_a_body_that_breaks_off_is_asked_for_again(server: Server) -> None:
    source, found = only(server)

    def cut(request, passed):  # type: ignore[no-untyped-def]
        if request.path.endswith("/x.json.gz"):
            server.disturb.clear()
            answer = passed()
            answer.direct_passthrough = False
            answer.response = [b"12"]
            answer.headers["Content-Length"] = "5"
            return answer
        return None

    server.disturb.append(cut)
    assert source.read(found, 5) == b"12345"
    assert server.count("GET", "x.json.gz") == 2


def test_a_lost_connection_is_tried_again(server: Server) -> None:
    source, found = only(server)

    def drop(request, passed):  # type: ignore[no-untyped-def]
        server.disturb.clear()
        raise DroppedError

    server.disturb.append(drop)
    assert source.read(found, 5) == b"12345"


def test_a_source_is_read_through_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    put(server, key())
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.eu-west-1.amazonaws.com")
    source = open_source("s3://logs", Aws())
    ((found,),) = source.list(EVERYTHING)
    assert source.read(found, 100) == b"{}"


def test_a_source_behind_a_private_authority_needs_its_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with tls_server(monkeypatch, tmp_path) as secured:
        with monkeypatch.context() as quick:
            quick.setattr("time.sleep", lambda _: None)
            with pytest.raises(SourceError, match="certificate verify failed"):
                listed("s3://logs")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        secured.bucket("logs").put_object(Bucket="logs", Key="a", Body=b"{}")
        source = open_source("s3://logs", Aws())
        ((found,),) = source.list(EVERYTHING)
        assert source.read(found, 100) == b"{}"
