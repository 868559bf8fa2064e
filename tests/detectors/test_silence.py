"""Silence: quiet and blind told apart, one outage told once, what ended on purpose not at all."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors.base import Context
from ctanalytics.detectors.call_rate import call_rate
from ctanalytics.detectors.silence import silence
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.records.file_verdicts import FILE_VERDICTS
from ctanalytics.settings import Detect
from tests import builders
from tests.detectors.organization import DAYS, END, START, WINDOW, background, calls, minute

ONE, OTHER = "111122223333", "444455556666"
FIRST, LAST = minute(33, 4), minute(33, 16)


def beats(
    account: str,
    region: str,
    gaps: Sequence[tuple[int, int]] = (),
    every: int = 7,
) -> pa.Table:
    """Steady events of one account and region, but for some spans."""
    spots = np.arange(0, minute(DAYS), every)
    for first, last in gaps:
        spots = spots[(spots < first) | (spots >= last)]
    columns = {"account_id": account, "aws_region": region, "recipient_account_id": account}
    return calls(spots, f"Beat-{account}-{region}", read_only=True, **columns)


def digest(
    since: int, until: int, account: str = ONE, region: str = "eu-west-1", promised: int = 0
) -> list[dict[str, Any]]:
    """Hourly digests over a span of minutes."""
    return [
        {
            "kind": "digest",
            "bucket": "logs",
            "key": f"{account}/{region}/{at}",
            "verdict": "valid",
            "account_id": account,
            "aws_region": region,
            "backfill": False,
            "covers_since": START + dt.timedelta(minutes=at),
            "covers_until": START + dt.timedelta(minutes=at + 60),
            "promised": promised,
            "validated_at": END,
        }
        for at in range(since, until, 60)
    ]


def found(
    folder: Path, tables: list[pa.Table], verdicts: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = silence(
        _context(folder, tables, verdicts), WINDOW
    ).anomalies.to_pylist()
    return rows


def _context(
    folder: Path, tables: list[pa.Table], verdicts: list[dict[str, Any]] | None = None
) -> Context:
    engine = builders.engine(
        folder,
        events=pa.concat_tables(tables),
        file_verdicts=pa.Table.from_pylist(verdicts or [], FILE_VERDICTS),
    )
    return Context(engine, LocalExecutor(1), Detect(), END)


def test_a_region_that_falls_silent_is_one_anomaly(tmp_path: Path) -> None:
    (row,) = found(tmp_path, [beats(ONE, "eu-west-1", [(FIRST, LAST)]), beats(ONE, "us-east-1")])
    assert (row["detector"], row["kind"]) == ("silence", "silence")
    assert (row["account_id"], row["aws_region"]) == (ONE, "eu-west-1")
    assert row["state"] == "closed" and row["severity"] == "high"
    assert abs(row["started_at"] - (START + dt.timedelta(minutes=FIRST))) <= dt.timedelta(minutes=7)
    assert "nobody can tell" in row["explanation"]
    assert row["title"] == f"{ONE} eu-west-1 went blind"


def test_digests_that_list_nothing_make_it_quiet(tmp_path: Path) -> None:
    (row,) = found(
        tmp_path,
        [beats(ONE, "eu-west-1", [(FIRST, LAST)]), beats(ONE, "us-east-1")],
        digest(FIRST - 120, LAST + 60),
    )
    assert row["title"] == f"{ONE} eu-west-1 fell quiet"
    assert "nothing was logged" in row["explanation"]
    assert row["severity"] in ("low", "medium")


def test_digests_that_list_files_we_do_not_hold_make_it_blind(tmp_path: Path) -> None:
    (row,) = found(
        tmp_path,
        [beats(ONE, "eu-west-1", [(FIRST, LAST)]), beats(ONE, "us-east-1")],
        digest(FIRST - 120, LAST + 60, promised=3),
    )
    assert "went blind" in row["title"] and row["severity"] == "high"
    assert "so something was logged" in row["explanation"]


def test_digests_of_a_part_leave_the_rest_unknown(tmp_path: Path) -> None:
    (row,) = found(
        tmp_path,
        [beats(ONE, "eu-west-1", [(FIRST, LAST)]), beats(ONE, "us-east-1")],
        digest(FIRST - 60, FIRST + 6 * 60),
    )
    assert "went blind" in row["title"]
    assert "what happened in the rest is not known" in row["explanation"]


def test_bad_digests_vouch_for_nothing(tmp_path: Path) -> None:
    bad = [row | {"verdict": "bad signature"} for row in digest(FIRST - 120, LAST + 60)]
    (row,) = found(
        tmp_path, [beats(ONE, "eu-west-1", [(FIRST, LAST)]), beats(ONE, "us-east-1")], bad
    )
    assert "went blind" in row["title"]


def test_who_stopped_the_logging_is_named(tmp_path: Path) -> None:
    stop = calls(
        [FIRST - 3],
        "StopLogging",
        event_source="cloudtrail.amazonaws.com",
        principal_arn=f"arn:aws:iam::{ONE}:user/mallory",
    )
    gone = [(FIRST, LAST)]
    (row,) = found(
        tmp_path,
        [beats(ONE, "eu-west-1", gone), beats(OTHER, "eu-west-1"), stop],
        digest(FIRST - 120, LAST + 60),
    )
    assert row["event_name"] == "StopLogging" and row["severity"] == "high"
    assert "StopLogging was called by user mallory" in row["explanation"]
    assert row["principal_arn"].endswith("mallory")


def test_all_regions_of_an_account_are_one_anomaly(tmp_path: Path) -> None:
    gone = [(FIRST, LAST)]
    tables = [beats(ONE, region, gone) for region in ("eu-west-1", "us-east-1", "ap-south-1")]
    (row,) = found(tmp_path, [*tables, beats(OTHER, "eu-west-1")])
    assert (row["account_id"], row["aws_region"]) == (ONE, None)
    assert row["title"] == f"3 regions of {ONE} went blind"


def test_a_delivery_outage_of_all_accounts_is_one_anomaly(tmp_path: Path) -> None:
    gone = [(FIRST, LAST)]
    tables = [
        beats(account, region, gone, every)
        for account in (ONE, OTHER, "555555555555")
        for region, every in (("eu-west-1", 5), ("us-east-1", 40))
    ]
    (row,) = found(tmp_path, tables)
    assert row["account_id"] is None
    assert row["title"] == "6 regions of 3 accounts went blind"


def test_two_outages_are_two(tmp_path: Path) -> None:
    early = [(minute(30, 2), minute(30, 14))]
    rows = found(
        tmp_path,
        [beats(ONE, "eu-west-1", early), beats(ONE, "us-east-1", [(FIRST, LAST)])],
    )
    assert [row["aws_region"] for row in rows] == ["eu-west-1", "us-east-1"]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(
            {
                "event_name": "DisableRegion",
                "event_source": "account.amazonaws.com",
                "request_parameters": '{"regionName":"ap-south-1"}',
            },
            id="region-disabled",
        ),
        pytest.param(
            {
                "event_name": "CloseAccount",
                "event_source": "organizations.amazonaws.com",
                "request_parameters": f'{{"accountId":"{OTHER}"}}',
            },
            id="account-closed",
        ),
        pytest.param(
            {
                "event_name": "RemoveAccountFromOrganization",
                "event_source": "organizations.amazonaws.com",
                "request_parameters": f'{{"accountId":"{OTHER}"}}',
            },
            id="account-removed",
        ),
    ],
)
def test_what_was_given_up_raises_nothing(columns: dict[str, Any], tmp_path: Path) -> None:
    columns = dict(columns)
    region = columns["event_name"] == "DisableRegion"
    account, place = (ONE, "ap-south-1") if region else (OTHER, "eu-west-1")
    name = columns.pop("event_name")
    end = calls([FIRST - 5], name, **columns)
    gone = [(FIRST, minute(DAYS))]
    assert not found(tmp_path, [beats(account, place, gone), beats(ONE, "us-east-1"), end])
    (tmp_path / "more").mkdir()
    # The same call of another region or account is no reason.
    other = calls([FIRST - 5], name, **columns | {"request_parameters": "{}"})
    assert found(tmp_path / "more", [beats(account, place, gone), beats(ONE, "us-east-1"), other])


def test_a_cell_with_long_pauses_of_its_own_raises_nothing(tmp_path: Path) -> None:
    nights = [(minute(day, 18), minute(day + 1, 6)) for day in range(DAYS)]
    assert not found(tmp_path, [beats(ONE, "eu-west-1", nights), beats(ONE, "us-east-1")])


def test_a_region_that_is_new_raises_nothing(tmp_path: Path) -> None:
    young = [(0, minute(25)), (FIRST, LAST)]
    assert not found(tmp_path, [beats(ONE, "eu-west-1", young), beats(ONE, "us-east-1")])


def test_usual_traffic_raises_nothing(tmp_path: Path) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert not found(folder, background(seed))


def test_one_silence_is_not_told_twice(tmp_path: Path) -> None:
    writes = []
    for number in range(6):
        spots = np.arange(number, minute(DAYS), 10)
        writes.append(calls(spots[(spots < FIRST) | (spots >= LAST)], f"Beat{number}"))
    made = _context(tmp_path, [*writes, beats(OTHER, "eu-west-1")])
    rows = [
        row["kind"]
        for detector in (call_rate, silence)
        for row in detector(made, WINDOW).anomalies.to_pylist()
    ]
    assert rows == ["silence"]


def test_the_evidence_lists_what_it_counts(tmp_path: Path) -> None:
    made = _context(tmp_path, [beats(ONE, "eu-west-1", [(FIRST, LAST)]), beats(OTHER, "us-east-1")])
    (row,) = silence(made, WINDOW).anomalies.to_pylist()
    evidence = json.loads(row["evidence"])
    listed = made.engine.query(evidence["sql"])
    assert listed.num_rows == evidence["events"] > 0
    assert set(evidence["event_ids"]) <= set(listed["event_id"].to_pylist())


def test_an_empty_lake_has_no_silence(tmp_path: Path) -> None:
    from ctanalytics.records.schema import EVENTS

    assert not found(tmp_path, [EVENTS.empty_table()])
