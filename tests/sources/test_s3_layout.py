"""Which stretches of a bucket are listed, on buckets that are sorted lists of keys."""

from __future__ import annotations

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.records import object_key
from ctanalytics.sources.base import Selection
from tests.sources.buckets import DAY, ORGANIZATION, Bucket, built, organization

ACCOUNTS = ("111122223333", "444455556666", "555555555555")
REGIONS = ("eu-west-1", "us-gov-west-1", "cn-north-1", "me-central-1")


KEYS = st.builds(
    built,
    st.sampled_from(ACCOUNTS),
    st.sampled_from(REGIONS),
    st.integers(-40, 40),
    st.sampled_from(("log", "insight", "network_activity", "aggregated")),
    st.none() | st.just(ORGANIZATION),
    st.sampled_from(("", "p", "a/b", ORGANIZATION, "CloudTrail", "2024/logs")),
    st.text("abc", min_size=1, max_size=3),
)
SELECTIONS = st.builds(
    Selection,
    since=st.none() | st.integers(-40, 40).map(lambda day: DAY + dt.timedelta(days=day)),
    until=st.none() | st.integers(-40, 40).map(lambda day: DAY + dt.timedelta(days=day)),
    accounts=st.frozensets(st.sampled_from(ACCOUNTS), max_size=2),
    regions=st.frozensets(st.sampled_from(REGIONS), max_size=2),
    slack_days=st.sampled_from((0, 31)),
)


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=12, unique=True), SELECTIONS, st.data())
def test_every_chosen_key_is_met_once_from_any_depth(
    keys: list[str], selection: Selection, data: st.DataObject
) -> None:
    some = data.draw(st.sampled_from(keys)).split("/")
    depth = data.draw(st.integers(0, len(some) - 1))
    prefix = "".join(f"{name}/" for name in some[:depth])
    found = Bucket(sorted(keys)).listed(prefix, selection)
    wanted = [key for key in keys if key.startswith(prefix) and selection.takes(key)]
    # A year at the top ("2024/logs/AWSLogs/...") is searched for nothing below: it is named.
    assert sorted(found) == sorted(set(found))
    missed = set(wanted) - set(found)
    assert all("2024/" in key.removeprefix(prefix).partition("AWSLogs/")[0] for key in missed)


@settings(deadline=None)
@given(st.lists(st.text("ab/1.", min_size=1, max_size=8), min_size=1, max_size=8, unique=True))
def test_a_bucket_of_another_layout_is_listed_whole(keys: list[str]) -> None:
    assert sorted(Bucket(sorted(keys)).listed("", Selection())) == sorted(keys)


def test_a_pass_over_an_organization_costs_a_list_for_each_account_and_region() -> None:
    accounts, regions = 40, 17
    bucket = organization(accounts)
    leaves = bucket.layout("", Selection(since=DAY)).leaves
    # The bucket, AWSLogs/, the organization; kinds and regions of each account.
    assert bucket.looks == 3 + 2 * accounts
    assert len(leaves) == accounts * regions
    # At 400 accounts that makes 7,603 requests, of a bar of 14,000.
    assert 3 + 2 * 400 + 400 * regions < 14_000


def test_named_accounts_and_regions_need_no_listing_rights_above_them() -> None:
    bucket = organization(3)
    bucket.denied = frozenset({"", "AWSLogs/"})
    direct = Bucket([key.replace(f"{ORGANIZATION}/", "") for key in bucket.keys], bucket.denied)
    chosen = Selection(accounts=frozenset({"000000000001"}), regions=frozenset({"eu-west-2"}))
    (key,) = direct.listed("", chosen)
    parsed = object_key.parse(key)
    assert (parsed.account_id, parsed.aws_region) == ("000000000001", "eu-west-2")
