"""Keys of delivered files: what is built is read back, and no text is refused."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.records import object_key
from ctanalytics.records.object_key import ObjectKey, digest_key, log_key, parse

A = "111122223333"
ORG = "o-a1b2c3d4e5"

accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
organizations = st.none() | st.from_regex(r"o-[a-z0-9]{10,32}", fullmatch=True)
regions = st.sampled_from(
    [
        "us-east-1",
        "eu-central-2",
        "us-gov-west-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "cn-north-1",
        "cn-northwest-1",
        "ap-southeast-7",
        "mx-central-1",
        "eusc-de-east-1",
        "il-central-1",
    ]
)
prefixes = st.sampled_from(
    ["", "trails", "a/b/c", ORG, "AWSLogs", "CloudTrail", f"AWSLogs/{A}/CloudTrail", "Config"]
)
moments = st.integers(1_384_300_800, 4_102_444_800).map(
    lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC)
)
trails = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]", fullmatch=True)
anything = st.text(st.characters(exclude_categories=()), max_size=80)


@given(
    account_id=accounts,
    aws_region=regions,
    delivered=moments,
    unique=st.from_regex(r"[A-Za-z0-9]{16}", fullmatch=True),
    kind=st.sampled_from(["log", "insight", "network_activity", "aggregated"]),
    organization=organizations,
    prefix=prefixes,
)
def test_a_log_key_says_what_it_was_built_from(
    account_id: str,
    aws_region: str,
    delivered: dt.datetime,
    unique: str,
    kind: str,
    organization: str | None,
    prefix: str,
) -> None:
    key = log_key(
        account_id=account_id,
        aws_region=aws_region,
        delivered=delivered,
        unique=unique,
        kind=kind,
        organization=organization,
        prefix=prefix,
    )
    assert parse(key) == ObjectKey(
        kind=kind,
        organization=organization,
        account_id=account_id,
        aws_region=aws_region,
        delivery_date=delivered.date(),
        stamp=delivered.replace(second=0),
    )


@given(
    account_id=accounts,
    aws_region=regions,
    home_region=regions,
    end=moments,
    trail=trails,
    organization=organizations,
    prefix=prefixes,
    backfill=st.booleans(),
)
def test_a_digest_key_says_what_it_was_built_from(
    account_id: str,
    aws_region: str,
    home_region: str,
    end: dt.datetime,
    trail: str,
    organization: str | None,
    prefix: str,
    backfill: bool,
) -> None:
    key = digest_key(
        account_id=account_id,
        aws_region=aws_region,
        end=end,
        trail=trail,
        home_region=home_region,
        organization=organization,
        prefix=prefix,
        backfill=backfill,
    )
    assert parse(key) == ObjectKey(
        kind="digest",
        organization=organization,
        account_id=account_id,
        aws_region=aws_region,
        delivery_date=end.date(),
        stamp=end,
        trail=trail,
        home_region=home_region,
        backfill=backfill,
    )


@given(
    account_id=accounts,
    aws_region=regions,
    channel=st.sampled_from(["ConfigHistory", "ConfigSnapshot"]),
    name=st.from_regex(r"[A-Za-z0-9:-]{1,40}", fullmatch=True),
    start=moments,
    hours=st.none() | st.integers(1, 24),
    prefix=prefixes,
)
def test_a_config_key_of_any_parts_says_what_it_was_built_from(
    account_id: str,
    aws_region: str,
    channel: str,
    name: str,
    start: dt.datetime,
    hours: int | None,
    prefix: str,
) -> None:
    end = start + dt.timedelta(hours=hours) if hours else None
    key = object_key.config_key(
        account_id=account_id,
        aws_region=aws_region,
        channel=channel,
        name=name,
        start=start,
        end=end,
        prefix=prefix,
    )
    day = (end or start).date()
    assert parse(key) == ObjectKey("config", None, account_id, aws_region, day)


@given(anything)
def test_no_text_is_refused(key: str) -> None:
    assert isinstance(parse(key), ObjectKey)


@given(
    st.lists(
        st.sampled_from(
            (
                f"AWSLogs / {A} {ORG} CloudTrail -Digest Config eu-west-1 2026 0000 13 31 _ "
                "20260301T0805Z 20269999T9999Z .json.gz ٣ x \n \0"
            ).split(" ")
        ),
        max_size=24,
    ).map("".join)
)
def test_no_key_like_text_is_refused(key: str) -> None:
    found = parse(key)
    assert found.account_id is None or re.fullmatch("[0-9]{12}", found.account_id)


DAY = dt.date(2026, 3, 1)
STAMP = dt.datetime(2026, 3, 1, 8, 5, tzinfo=dt.UTC)
NAME = f"{A}_CloudTrail_eu-west-1_20260301T0805Z_kpm5AOVe7mTzQxcV.json.gz"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(
            f"{ORG}/AWSLogs/{ORG}/{A}/CloudTrail/eu-west-1/2026/03/01/{NAME}",
            ObjectKey("log", ORG, A, "eu-west-1", DAY, STAMP),
            id="control-tower-has-the-organization-twice",
        ),
        pytest.param(
            f"{ORG}/AWSLogs/{A}/CloudTrail/eu-west-1/2026/03/01/{NAME}",
            ObjectKey("log", None, A, "eu-west-1", DAY, STAMP),
            id="control-tower-before-3.0",
        ),
        pytest.param(
            f"AWSLogs/{A}/CloudTrail/us-gov-west-1/2026/03/01/"
            f"{A}_CloudTrail_us-gov-west-1_20260301T0805Z_kpm5AOVe7mTzQxcV.json.gz",
            ObjectKey("log", None, A, "us-gov-west-1", DAY, STAMP),
            id="govcloud",
        ),
        pytest.param(
            f"AWSLogs/{A}/CloudTrail/cn-northwest-1/2026/03/01/"
            f"{A}_CloudTrail_cn-northwest-1_20260301T0805Z_kpm5AOVe7mTzQxcV.json.gz",
            ObjectKey("log", None, A, "cn-northwest-1", DAY, STAMP),
            id="china",
        ),
        pytest.param(
            f"AWSLogs/{A}/CloudTrail/eu-west-1/2026/03/01/"
            f"{A}_CloudTrail_eu-west-1_20260301T0805ZkGDVEXAMPLE.json.gz",
            ObjectKey("log", None, A, "eu-west-1", DAY, STAMP),
            id="no-underscore-before-the-unique-part",
        ),
        pytest.param(
            f"AWSLogs/{A}/CloudTrail-NetworkActivity/eu-west-1/2026/03/01/nobody-knows.json.gz",
            ObjectKey("network_activity", None, A, "eu-west-1", DAY),
            id="the-segment-tells-the-kind-not-the-name",
        ),
        pytest.param(
            f"AWSLogs/{A}/Config/eu-west-1/2026/3/1/ConfigHistory/"
            f"{A}_Config_eu-west-1_ConfigHistory_AWS::S3::Bucket_20260301T080500Z_1.json.gz",
            ObjectKey("config", None, A, "eu-west-1", DAY),
            id="config-does-not-pad-its-dates",
        ),
        pytest.param(
            f"/home/dora/copies/{A}/CloudTrail/eu-west-1/2026/03/01/{NAME}",
            ObjectKey("log", None, A, "eu-west-1", DAY, STAMP),
            id="a-copy-that-lost-what-stands-before-the-account",
        ),
        pytest.param(
            f"downloads/{NAME}",
            ObjectKey("log", None, A, "eu-west-1", DAY, STAMP),
            id="a-single-file",
        ),
        pytest.param(
            f"downloads/{A}_CloudTrail-Digest_eu-west-1_my_us-east-1_trail_eu-west-1_"
            "20260301T080500Z.json.gz",
            ObjectKey(
                "digest", None, A, "eu-west-1", DAY, STAMP, "my_us-east-1_trail", "eu-west-1"
            ),
            id="a-trail-named-with-underscores-and-a-region",
        ),
        pytest.param(
            f"AWSLogs/{A}/CloudTrail/eu-west-1/2026/02/30/{NAME}",
            ObjectKey("log", None, A, "eu-west-1", None, STAMP),
            id="a-day-that-never-was",
        ),
        pytest.param(
            f"AWSLogs/١١١١٢٢٢٢٣٣٣٣/CloudTrail/eu-west-1/2026/03/01/{NAME}",
            ObjectKey("log", None, A, "eu-west-1", DAY, STAMP),
            id="digits-of-another-script-are-no-account",
        ),
        pytest.param("labels.jsonl", ObjectKey("companion"), id="what-simulate-writes-beside"),
        pytest.param("logs/app.json", ObjectKey("unknown"), id="anything-else"),
    ],
)
def test_a_layout_is_understood(key: str, expected: ObjectKey) -> None:
    assert parse(key) == expected


def test_every_kind_has_one_segment() -> None:
    assert len(object_key.SEGMENTS) == len(object_key.LOG_KINDS)


def test_a_config_key_says_what_it_was_built_from() -> None:
    start = dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC)
    history = object_key.config_key(
        account_id=A,
        aws_region="eu-west-1",
        channel="ConfigHistory",
        name="AWS::EC2::Instance",
        start=start,
        end=start + dt.timedelta(hours=6),
        prefix="config",
    )
    assert history == (
        f"config/AWSLogs/{A}/Config/eu-west-1/2026/3/1/ConfigHistory/{A}_Config_eu-west-1_"
        "ConfigHistory_AWS::EC2::Instance_20260301T060000Z_20260301T120000Z_1.json.gz"
    )
    snapshot = object_key.config_key(
        account_id=A, aws_region="eu-west-1", channel="ConfigSnapshot", name="a1b2", start=start
    )
    assert snapshot.endswith(
        f"ConfigSnapshot/{A}_Config_eu-west-1_ConfigSnapshot_20260301T060000Z_a1b2.json.gz"
    )
    for key in (history, snapshot):
        assert parse(key) == ObjectKey("config", None, A, "eu-west-1", start.date())
