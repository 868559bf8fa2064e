"""Archived log files: asked for when it is agreed to, and taken when they have come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.ingest import ingest
from ctanalytics.app.ingest_estimate import Estimate, of_ingest, of_restore
from ctanalytics.app.ingest_restore import RestoreResult, restore
from ctanalytics.errors import UsageError
from ctanalytics.settings import Ingest, Settings
from ctanalytics.sources.base import Selection
from tests.app.ingesting import ask
from tests.app.queueing import BUCKET, Trail
from tests.aws_server import Server, aws_server, s3_error
from tests.logs import START, key, record

NOW = START + dt.timedelta(days=400)
SETTINGS = Settings(ingest=Ingest(workers=1))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


@pytest.fixture
def logs(server: Server, tmp_path: Path) -> Trail:
    made = Trail(server, tmp_path / "lake")
    for number in range(3):
        made.put(key(number), [record(number)])
        source = {"Bucket": BUCKET, "Key": key(number)}
        made.s3.copy_object(
            Bucket=BUCKET, Key=key(number), CopySource=source, StorageClass="GLACIER"
        )
    return made


def listed_as_restored(request, passed):  # type: ignore[no-untyped-def]
    """The server restores at once, but its listings don't tell of it, as those of S3 do."""
    if "list-type" not in request.args:
        return None
    answer = passed()
    told = (
        "<StorageClass>GLACIER</StorageClass><RestoreStatus>"
        "<IsRestoreInProgress>false</IsRestoreInProgress>"
        "<RestoreExpiryDate>2027-05-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>"
    )
    plain = "<StorageClass>GLACIER</StorageClass>"
    answer.set_data(answer.get_data(as_text=True).replace(plain, told))
    return answer


def asked(logs: Trail, agree: bool = True, **more: Any) -> tuple[RestoreResult, list[Estimate]]:
    seen: list[Estimate] = []

    def answer(estimate: Estimate) -> bool:
        seen.append(estimate)
        return agree

    result = restore(
        [f"s3://{BUCKET}"],
        str(logs.lake),
        days=7,
        settings=SETTINGS,
        agree=answer,
        now=NOW,
        **more,
    )
    return result, seen


def run(logs: Trail, **more: Any) -> Any:
    return ingest([f"s3://{BUCKET}"], str(logs.lake), settings=SETTINGS, now=NOW, **more)


def test_what_was_restored_is_taken_by_the_next_plain_ingest(logs: Trail) -> None:
    logs.put(key(9), [record(9)])
    first = run(logs, since=START - dt.timedelta(days=1))
    assert (first.objects_archived, first.records_written, first.complete) == (3, 1, True)
    # Days later, plain ingests do not look so far back.
    run(logs)
    result, (estimate,) = asked(logs)
    assert (result.objects_asked, estimate.objects) == (3, 3)
    assert result.bytes_asked == estimate.bytes_total > 0
    assert logs.server.count("POST", "restore") == 3
    assert run(logs).objects_archived == 3  # it takes hours
    logs.server.disturb.append(listed_as_restored)
    taken = run(logs)
    assert (taken.records_written, taken.objects_archived) == (3, 0)
    assert ask(logs.lake, "select count(*) as n from events") == [{"n": 4}]


def test_nothing_is_asked_for_when_it_is_not_agreed_to(logs: Trail) -> None:
    with pytest.raises(UsageError, match="3 objects would be restored, for about"):
        asked(logs, agree=False)
    assert logs.server.count("POST", "restore") == 0


def test_only_chosen_days_are_asked_for(logs: Trail) -> None:
    chosen = Selection(until=START - dt.timedelta(days=9), slack_days=1)
    result, questions = asked(logs, selection=chosen)
    assert (result.objects_asked, questions) == (0, [])


def test_what_is_under_way_or_refused_is_counted_apart(logs: Trail) -> None:
    codes = iter(["RestoreAlreadyInProgress", "AccessDenied"])

    def answer(request, passed):  # type: ignore[no-untyped-def]
        if "restore" in request.args and (code := next(codes, None)):
            return s3_error(code, code, 409 if "Already" in code else 403)
        return None

    logs.server.disturb.append(answer)
    result, _ = asked(logs)
    assert (result.objects_asked, result.objects_waiting, result.objects_refused) == (1, 1, 1)
    assert not result.complete
    assert any("s3:RestoreObject" in note for note in result.notes)


def test_a_folder_has_nothing_to_restore(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only objects in S3"):
        restore(
            [str(tmp_path)], str(tmp_path / "lake"), days=1, agree=lambda _: True, settings=SETTINGS
        )


def test_an_estimate_adds_up() -> None:
    found = of_ingest(objects=1_000_000, size=10**9, lists=1_000, in_s3=True, workers=2)
    assert (found.get_requests, found.kms_requests) == (1_000_000, 1_000_000)
    # 0.005 of LIST, 0.40 of GET, 3.00 of KMS.
    assert found.dollars == pytest.approx(3.405)
    assert found.seconds == 1_000_000 / 400 / 2
    folder = of_ingest(objects=10, size=10**9, lists=0, in_s3=False, workers=1)
    assert (folder.dollars, folder.get_requests, folder.seconds) == (0.0, 0, 100.0)


@pytest.mark.parametrize(
    ("storage_class", "tier", "dollars"),
    [
        ("GLACIER", "Bulk", 0.0),
        ("GLACIER", "Standard", 0.05 + 1.0),
        ("DEEP_ARCHIVE", "Bulk", 0.025 + 0.25),
        ("DEEP_ARCHIVE", "Standard", 0.1 + 2.0),
    ],
)
def test_a_restore_costs_by_class_and_tier(storage_class: str, tier: str, dollars: float) -> None:
    found = of_restore({storage_class: (1_000, 100 * 10**9)}, tier, 0)
    assert found.dollars == pytest.approx(dollars)
