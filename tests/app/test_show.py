from __future__ import annotations

import json
from pathlib import Path

import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.app.show import show
from ctanalytics.errors import CtanalyticsError
from tests.sql import chains


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, chains.World]:
    world = chains.world(7, chains=30)
    home = tmp_path_factory.mktemp("show")
    (home / "logs").mkdir()
    (home / "logs" / "a.json").write_text(json.dumps({"Records": world.records}))
    ctanalytics.ingest(
        [str(home / "logs")], str(home / "lake"), settings=settings.load({"ingest.workers": 1})
    )
    return home / "lake", world


def test_an_event_is_shown_with_its_file_and_who_stands_behind_its_session(
    made: tuple[Path, chains.World],
) -> None:
    lake, world = made
    key = next(key for key in world.keys if key.proven and key.hop == 2 and not key.aliases)
    record = next(
        one
        for one in world.records
        if one["userIdentity"].get("accessKeyId") == key.session_id
        and one["eventName"] == "DescribeInstances"
    )
    found = show(record["eventID"], str(lake))
    assert found.record["event_name"] == "DescribeInstances"
    assert found.record["source_object"].endswith("a.json")
    assert found.session
    assert found.session["root_principal"] == key.human
    assert found.session["path"] == key.path
    assert {one["relation"] for one in found.neighbours} >= {"same session"}
    assert record["eventID"] not in {one["event_id"] for one in found.neighbours}


def test_the_copy_in_the_other_account_is_the_same_action(
    made: tuple[Path, chains.World],
) -> None:
    lake, world = made
    copies: dict[str, list[str]] = {}
    for record in world.records:
        if "sharedEventID" in record:
            copies.setdefault(record["sharedEventID"], []).append(record["eventID"])
    one, other = next(pair for pair in copies.values() if len(pair) == 2)
    found = show(one, str(lake))
    (twin,) = [near for near in found.neighbours if near["relation"] == "same action"]
    assert twin["event_id"] == other


def test_an_unknown_event_is_said_to_be_unknown(made: tuple[Path, chains.World]) -> None:
    with pytest.raises(CtanalyticsError, match="there is no event nowhere"):
        show("nowhere", str(made[0]))
    with pytest.raises(CtanalyticsError, match="of 000000000000"):
        show(made[1].records[0]["eventID"], str(made[0]), account_id="000000000000")
