from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ctanalytics.app.simulate import simulate
from ctanalytics.errors import CtanalyticsError, UsageError


def test_all_wrong_arguments_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(
            tmp_path / "logs",
            days=0,
            accounts=0,
            events_per_day=0,
            start=dt.date(2001, 1, 1),
            incidents=["surge", "earthquake"],
            regions=["cn-north-1", "../.."],
            organization_id="x",
            digests="some",
            file_minutes=0,
            workers=-1,
        )
    told = caught.value.what
    for word in (
        "days 0",
        "accounts 0",
        "events-per-day 0",
        "start 2001-01-01",
        "incident earthquake",
        "region cn-north-1",
        "region ../..",
        "organization-id",
        "digests",
        "file-minutes 0",
        "workers -1",
    ):
        assert word in told
    assert not (tmp_path / "logs").exists()


def test_an_unknown_partition_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="aws, aws-us-gov, aws-cn"):
        simulate(tmp_path / "logs", partition="aws-mars")


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        simulate(tmp_path, days=1, events_per_day=300)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_force_writes_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = simulate(tmp_path, days=1, events_per_day=300, digests="none", workers=1, force=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert Path(result.labels) == tmp_path / "labels.jsonl"
    assert not (tmp_path / ".simulate").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        simulate(tmp_path / "logs", force=True)


def test_a_place_that_can_not_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CtanalyticsError) as caught:
        simulate(tmp_path / "file" / "logs", days=1, events_per_day=300, workers=1)
    assert str(tmp_path / "file" / "logs") in caught.value.where


@pytest.mark.parametrize(
    ("incidents", "count"), [(["none"], 0), (["surge", "surge"], 1), (["surge", "drip"], 2)]
)
def test_only_the_named_incidents_happen(tmp_path: Path, incidents: list[str], count: int) -> None:
    out = tmp_path / "logs"
    result = simulate(
        out, days=1, events_per_day=300, incidents=incidents, digests="none", workers=1
    )
    assert result.incidents == count


def test_progress_counts_the_days(tmp_path: Path) -> None:
    seen: list[int] = []
    simulate(
        tmp_path / "logs",
        days=2,
        events_per_day=300,
        digests="none",
        workers=1,
        progress=seen.append,
    )
    assert seen == [1, 2, 3]
