"""Every check passes, fails and is unknown, as the local AWS server or a recorded answer has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import moto
import pytest

from ctanalytics.posture import CHECKS
from ctanalytics.posture.catalogue import about
from ctanalytics.posture.check import run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.snapshot import Read, Snapshot
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from tests.posture import account, bad_account
from tests.posture.readings import RECORDED, Readings

UNREPRESENTED = tomllib.loads(
    (Path(__file__).parent.parent / "deploy" / "unrepresented.toml").read_text("utf-8")
)
ON_THE_SERVER = [
    name
    for name, words in about().items()
    if words.needs != "lake" and name not in UNREPRESENTED["checks"]
]
RECORDED_CHECKS = sorted(UNREPRESENTED["checks"])

STANDS_WITHOUT = {
    # One trail that was read and does it all is enough, whatever others there may be.
    "cloudtrail:ListTrails": {
        "trail-exists",
        "trail-multi-region",
        "trail-global-events",
        "trail-s3-data-write",
        "trail-s3-data-read",
        "trail-lambda-dynamodb",
        "trail-bedrock",
        "trail-network-activity",
        "trail-log-bucket-data",
        "trail-organization",
        *(name for name in about() if name.startswith("monitor-")),
    },
    # Any one of three protections is enough.
    "s3:GetBucketPolicy": {"bucket-delete-protected", "lake-delete-protected"},
    "s3:GetObjectLockConfiguration": {"bucket-delete-protected", "lake-delete-protected"},
    "s3:GetBucketVersioning": {"bucket-delete-protected", "lake-delete-protected"},
}
"""Checks that pass although an API was denied, because what they could read is enough."""


def check(name: str, snapshot: Snapshot, expected: Expected = account.EXPECTED) -> list[Finding]:
    return run(View(snapshot, expected), [(name, CHECKS[name])])


def with_answers(name: str, snapshot: Snapshot, answers: Mapping[str, Any]) -> Snapshot:
    """Put recorded answers in the place of what the server said, also for reads that come of them."""
    snapshot = snapshot.with_reads(
        Read(read.ask, answer=answers[read.ask.api])
        for read in snapshot.reads.values()
        if read.ask.api in answers
    )
    while True:
        view = View(snapshot, account.EXPECTED)
        run(view, [(name, CHECKS[name])])
        more = [ask for ask in view.wanted.values() if ask.api in answers]
        if not more:
            return snapshot
        snapshot = snapshot.with_reads(Read(ask, answer=answers[ask.api]) for ask in more)


def test_the_catalogue_and_the_code_name_the_same_checks() -> None:
    assert set(about()) == set(CHECKS)
    assert len(CHECKS) >= 60


@pytest.mark.parametrize("name", ON_THE_SERVER)
def test_a_check_passes_on_an_account_that_is_set_up_well(name: str, readings: Readings) -> None:
    found = check(name, readings.good)
    assert found
    assert {one.status for one in found} == {"pass"}, [one.explanation for one in found]


@pytest.mark.parametrize("name", ON_THE_SERVER)
def test_a_check_fails_on_an_account_that_is_not(name: str, readings: Readings) -> None:
    found = [
        one
        for snapshot in (readings.bad, readings.other)
        for one in check(name, snapshot, bad_account.EXPECTED)
        if one.status == "fail"
    ]
    assert found
    for one in found:
        assert one.explanation
        assert one.remedy_cli
        assert one.remedy_cloudformation
        assert "{" not in one.remedy_cli.partition("'")[0]


@pytest.mark.parametrize("name", RECORDED_CHECKS)
def test_what_the_server_cannot_show_is_shown_by_a_recorded_answer(
    name: str, readings: Readings
) -> None:
    good = with_answers(name, readings.good, RECORDED[name]["pass"])
    assert {one.status for one in check(name, good)} == {"pass"}
    bad = with_answers(name, readings.good, RECORDED[name]["fail"])
    assert "fail" in {one.status for one in check(name, bad)}


def test_what_the_server_cannot_show_is_little_and_of_its_version() -> None:
    assert len(RECORDED_CHECKS) <= 20
    assert set(RECORDED_CHECKS) == set(RECORDED)
    assert UNREPRESENTED["version"] == moto.__version__


@pytest.mark.parametrize("name", [*ON_THE_SERVER, *RECORDED_CHECKS])
def test_a_check_does_not_pass_when_a_read_of_its_was_denied(name: str, readings: Readings) -> None:
    good = readings.good
    if name in RECORDED:
        good = with_answers(name, good, RECORDED[name]["pass"])
    apis = {read.partition(" ")[0] for one in check(name, good) for read in one.reads}
    assert apis or name in NO_READS
    for api in sorted(apis):
        denied = readings.denied.get(api) or [
            Read(read.ask, refused="denied", missing=api)
            for read in good.reads.values()
            if read.ask.api == api
        ]
        found = check(name, good.with_reads(denied))
        unknown = [one for one in found if one.status == "unknown"]
        if name in STANDS_WITHOUT.get(api, ()):
            assert {one.status for one in found} <= {"pass", "unknown"}
            continue
        assert unknown, (api, [(one.status, one.explanation) for one in found])
        assert any(one.missing for one in unknown), api


NO_READS = {"trail-network-activity"}


@pytest.mark.parametrize("name", [*ON_THE_SERVER, *RECORDED_CHECKS])
def test_the_catalogue_names_every_api_of_a_check(name: str, readings: Readings) -> None:
    used = {
        read.partition(" ")[0]
        for snapshot, expected in snapshots(name, readings)
        for one in check(name, snapshot, expected)
        for read in one.reads
    }
    assert used == set(about()[name].reads)


def snapshots(name: str, readings: Readings) -> list[tuple[Snapshot, Expected]]:
    found = [
        (readings.good, account.EXPECTED),
        (readings.bad, bad_account.EXPECTED),
        (readings.other, bad_account.EXPECTED),
    ]
    for answers in RECORDED.get(name, {}).values():
        found.append((with_answers(name, readings.good, answers), account.EXPECTED))
    return found


@pytest.mark.parametrize("name", list(about()))
def test_the_catalogue_says_all_that_a_person_needs(name: str) -> None:
    words = about()[name]
    assert words.title
    assert words.why.endswith(".")
    assert words.severity in ("info", "low", "medium", "high", "critical")
    assert words.needs == "lake" or words.reads
    assert words.cli
    assert words.cloudformation
    assert words.remedy({})
