"""Buckets as a source: what is listed, at what cost, and what is said when it can't be."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from ctanalytics.errors import SourceDenied, SourceError, SourceMissing, UsageError
from ctanalytics.records.object_key import digest_key
from ctanalytics.settings import Aws
from ctanalytics.sources.base import (
    BATCH,
    Selection,
    open_source,
    source_from,
)
from tests.aws_server import Server
from tests.sources.s3_bucket import (
    DAY,
    EVERYTHING,
    A,
    B,
    deny_lists,
    key,
    listed,
    lists,
    only,
    put,
    server,
)

__all__ = ["server"]  # fixtures

LAYOUTS = {
    "account": [key(), key(B, "us-east-1")],
    "prefix": [key(prefix="security/trails"), key(B, prefix="security/trails")],
    "prefix-named-cloudtrail": [key(prefix="CloudTrail"), key(B, prefix="CloudTrail")],
    "organization": [key(organization="o-a1b2c3d4e5"), key(B, organization="o-a1b2c3d4e5")],
    "control-tower": [
        key(organization="o-a1b2c3d4e5", prefix="o-a1b2c3d4e5"),
        key(B, organization="o-a1b2c3d4e5", prefix="o-a1b2c3d4e5"),
    ],
    "govcloud": [key(region="us-gov-west-1"), key(region="us-gov-east-1")],
    "china": [key(region="cn-north-1"), key(region="cn-northwest-1")],
    "kinds": [key(kind=kind) for kind in ("log", "insight", "network_activity", "aggregated")],
    "copy-without-awslogs": ["backup/" + key()[len("AWSLogs/") :]],
    "flat": ["a.json.gz", "b.json", "2024/05/01/x.json.gz"],
    "mixed": ["loose.json", key(), key(prefix="x/y")],
    "awslogs-with-odd-content": ["AWSLogs/export/2024/x.json"],
    "names-of-folders": ["a", "a/", "a/b.json", "x.json.gz", "x.json.gz/y.json.gz", "x.json.gz/"],
    "keys-that-lead-nowhere": ["../x.json", "a/../../y.json", "a//b.json", "/c.json", "./d.json"],
    "trails-below-them": [key(), key(prefix=".."), key(prefix="x/../y"), key() + "/z.json.gz"],
}


@pytest.mark.parametrize("keys", [pytest.param(keys, id=name) for name, keys in LAYOUTS.items()])
def test_every_layout_is_listed_whole(server: Server, keys: list[str]) -> None:
    put(server, *keys)
    assert sorted(listed("s3://logs")) == sorted(keys)


@pytest.mark.parametrize("depth", range(8))
def test_a_source_may_start_at_any_depth(server: Server, depth: int) -> None:
    wanted = key(organization="o-a1b2c3d4e5", prefix="p")
    put(server, wanted, "other/x.json")
    prefix = "/".join(wanted.split("/")[:depth])
    # As a policy that allows nothing but the prefix itself.
    deny_lists(server, prefix + "/" if prefix else "")
    assert wanted in listed(f"s3://logs/{prefix}")
    assert wanted in listed(f"s3://logs/{prefix}/" if prefix else "s3://logs/")


def test_one_object_is_a_source(server: Server) -> None:
    put(server, key(), key() + ".bak")
    assert listed(f"s3://logs/{key()}.bak") == [key() + ".bak"]


def test_the_beginning_of_names_is_a_source(server: Server) -> None:
    put(server, "x/export-1.json", "x/export-2.json", "x/other.json")
    assert listed("s3://logs/x/export-") == ["x/export-1.json", "x/export-2.json"]


def test_accounts_regions_and_days_that_are_not_chosen_are_never_listed(server: Server) -> None:
    keys = {
        (account, region, day): key(account, region, day)
        for account in (A, B)
        for region in ("eu-west-1", "us-east-1")
        for day in (-40, 0, 1, 2)
    }
    put(server, *keys.values())
    selection = Selection(
        since=DAY,
        until=DAY + dt.timedelta(hours=20),
        slack_days=0,
        accounts=frozenset({B}),
        regions=frozenset({"us-east-1"}),
    )
    assert listed("s3://logs", selection) == [keys[B, "us-east-1", day] for day in (0, 1)]
    asked = lists(server)
    assert [query["prefix"] for query in asked[2:]] == [
        f"AWSLogs/{B}/",
        f"AWSLogs/{B}/CloudTrail/",
        f"AWSLogs/{B}/CloudTrail/us-east-1/",
    ]
    assert asked[-1]["start-after"] == f"AWSLogs/{B}/CloudTrail/us-east-1/2024/05/01"


def test_digests_config_and_other_services_are_not_listed_unless_asked_for(server: Server) -> None:
    digest = digest_key(
        account_id=A, aws_region="eu-west-1", end=DAY, trail="t", home_region="eu-west-1"
    )
    config = f"AWSLogs/{A}/Config/eu-west-1/2024/5/1/ConfigHistory/x.json.gz"
    balancer = f"AWSLogs/{A}/elasticloadbalancing/eu-west-1/2024/05/01/x.log.gz"
    put(server, key(), digest, config, balancer)
    assert listed("s3://logs") == [key()]
    assert listed("s3://logs", Selection(kinds=frozenset({"digest"}))) == [digest]
    assert listed("s3://logs", Selection(kinds=frozenset({"config"}), until=DAY, slack_days=0)) == [
        config
    ]
    assert not listed(
        "s3://logs", Selection(kinds=frozenset({"config"}), since=DAY + dt.timedelta(1))
    )


def test_what_is_passed_over_beside_a_layout_is_noted(server: Server) -> None:
    put(server, key(), "exports/2024/05/x.json", "AWSLogs/odd/x.json")
    source = open_source("s3://logs", Aws())
    assert [found.key for batch in source.list(EVERYTHING) for found in batch] == [key()]
    assert [text.split(" ")[0] for text in source.notes.texts] == ["exports/2024/", "AWSLogs/odd/"]


def test_a_listing_of_many_pages_stops_after_the_last_day(server: Server) -> None:
    server.disturb.append(small_pages)
    days = range(30)
    put(server, *[key(day=day) for day in days])
    selection = Selection(
        since=DAY + dt.timedelta(days=5), until=DAY + dt.timedelta(days=9), slack_days=0
    )
    assert listed("s3://logs", selection) == [key(day=day) for day in range(5, 10)]
    assert len([q for q in lists(server) if "delimiter" not in q]) == 3


def small_pages(request, passed):  # type: ignore[no-untyped-def]
    query = request.environ["QUERY_STRING"]
    request.environ["QUERY_STRING"] = query.replace("max-keys=1000", "max-keys=2")


def test_batches_are_full_although_folders_are_small(server: Server) -> None:
    server.disturb.append(small_pages)
    put(server, *[key(region=f"eu-west-{number}") for number in range(1, 8)])
    batches = list(open_source("s3://logs", Aws()).list(EVERYTHING))
    assert [len(batch) for batch in batches] == [7]
    assert len(batches[0]) <= BATCH
    assert [found.key for found in batches[0]] == sorted(found.key for found in batches[0])


def test_accounts_may_be_named_where_awslogs_may_not_be_listed(server: Server) -> None:
    put(server, key(A), key(B))
    deny_lists(server, f"AWSLogs/{B}/")
    with pytest.raises(SourceDenied, match="s3:ListBucket"):
        listed("s3://logs")
    assert listed("s3://logs", Selection(accounts=frozenset({B}))) == [key(B)]


def test_regions_may_be_named_where_folders_may_not_be_listed(server: Server) -> None:
    put(server, key(A), key(A, "us-east-1"))
    deny_lists(server, f"AWSLogs/{A}/CloudTrail/us-east-1/")
    chosen = Selection(accounts=frozenset({A}), regions=frozenset({"us-east-1"}))
    assert listed("s3://logs", chosen) == [key(A, "us-east-1")]


def test_requests_are_counted(server: Server) -> None:
    put(server, key(A), key(B))
    source = open_source("s3://logs", Aws())
    (batch,) = source.list(EVERYTHING)
    for found in batch:
        assert source.read(found, 100) == b"{}"
    assert (source.requests.lists, source.requests.gets) == (len(lists(server)), 2)


def test_folder_markers_and_write_probes_are_handed_over(server: Server) -> None:
    markers = ["AWSLogs/", f"AWSLogs/{A}/CloudTrail/", f"AWSLogs/{A}/CloudTrail/eu-west-1/"]
    put(server, *markers, data=b"")
    put(server, key())
    found = [one for batch in open_source("s3://logs", Aws()).list(EVERYTHING) for one in batch]
    assert [(one.key, one.size_bytes) for one in found] == [(k, 0) for k in markers] + [(key(), 2)]


def test_a_missing_bucket_is_missing(server: Server) -> None:
    with pytest.raises(SourceMissing, match="no such bucket"):
        listed("s3://not-there")


def test_an_empty_prefix_names_what_is_near(server: Server) -> None:
    put(server, key(), "trail/x.json")
    for uri in ("s3://logs/trial", "s3://logs/trial/"):
        with pytest.raises(SourceMissing) as caught:
            listed(uri)
        assert "AWSLogs/, trail/" in caught.value.mend
    with pytest.raises(SourceMissing):
        listed(f"s3://logs/AWSLogs/{B}/")


def test_an_empty_bucket_is_an_error_and_an_empty_selection_is_not(server: Server) -> None:
    with pytest.raises(SourceMissing, match="no object"):
        listed("s3://logs")
    put(server, key())
    assert listed("s3://logs", Selection(accounts=frozenset({B}))) == []


def test_a_denied_bucket_is_denied(server: Server) -> None:
    put(server, key())
    deny_lists(server, "nothing")
    with pytest.raises(SourceDenied, match="s3:ListBucket"):
        listed("s3://logs")


def test_without_credentials_the_mend_says_how_to_get_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceDenied) as caught:
        listed("s3://logs")
    assert "AWS_PROFILE" in caught.value.mend


def test_an_unreachable_endpoint_is_an_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(SourceError, match="can't be reached"):
        [*open_source("s3://logs", Aws(endpoint_url="http://127.0.0.1:9")).list(EVERYTHING)]


def test_a_bucket_in_another_region_than_the_settings_is_read(server: Server) -> None:
    server.bucket("south", "ap-southeast-2")
    server.client("s3").put_object(Bucket="south", Key="x", Body=b"1")
    source = open_source("s3://south", Aws(region="eu-west-1"))
    assert [len(batch) for batch in source.list(EVERYTHING)] == [1]
    assert source.spec()["region"] == "ap-southeast-2"


def test_a_source_comes_back_from_json_without_asking_aws(server: Server) -> None:
    source, found = only(server)
    spec = json.loads(json.dumps(source.spec()))
    server.requests.clear()
    assert source_from(spec).read(found, 5) == b"12345"
    assert len(server.requests) == 1


@pytest.mark.parametrize("uri", ["s3://", "s3:///x"])
def test_a_missing_bucket_name_is_a_usage_error(uri: str) -> None:
    with pytest.raises(UsageError):
        open_source(uri, Aws())


@pytest.mark.parametrize("uri", ["s3://logs/flat", f"s3://logs/AWSLogs/{A}/CloudTrail/eu-west-1/"])
def test_a_listing_asks_for_no_more_pages_than_its_reader_takes(server: Server, uri: str) -> None:
    """A bucket without end is listed in flat memory: what is not taken is not asked for."""
    asked: list[int] = []

    def endless(request: Request, passed: Any) -> Response | None:
        if "list-type" not in request.args:
            return None
        prefix, start = request.args["prefix"], int(request.args.get("continuation-token", "0"))
        asked.append(start)
        entries = "".join(
            f"<Contents><Key>{prefix}2026/03/01/{number:012d}.json.gz</Key>"
            "<LastModified>2026-03-01T00:00:00.000Z</LastModified><ETag>&quot;a&quot;</ETag>"
            "<Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(start, start + BATCH)
        )
        body = (
            f"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{start + BATCH}"
            f"</NextContinuationToken>{entries}</ListBucketResult>"
        )
        return Response(body, 200, content_type="application/xml")

    server.disturb.append(endless)
    listing = open_source(uri, Aws()).list(EVERYTHING)
    for _ in range(8):
        assert len(next(listing)) == BATCH
    listing.close()  # type: ignore[attr-defined]
    assert max(asked) <= 10 * BATCH
    assert len(asked) <= 12
