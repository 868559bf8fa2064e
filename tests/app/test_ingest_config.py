"""Files of AWS Config come into the lake once, whatever brings them, and are kept like events."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ctanalytics.app.forget import forget
from ctanalytics.app.ingest import chosen
from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.expire import expire
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Ingest, Settings
from tests.app.ingesting import ask, leftovers, run
from tests.configuring import item, key, write
from tests.logs import ACCOUNT, START

DAY = dt.timedelta(days=1)
COUNT = "select count(*) as items, count(distinct item_id) as ids from lake.config_items"


def test_an_item_that_every_snapshot_repeats_is_one_row_through_all_that_befalls_a_lake(
    tmp_path: Path,
) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    items = [
        item(resource_id=f"sg-{n}", at=START - n * DAY, tags={"owner": "dora"}) for n in range(5)
    ]
    write(logs / key("ConfigHistory"), items[:3])
    write(logs / key("ConfigSnapshot", "first"), items)
    first = run(logs, lake)
    assert (first.records_read, first.rows_by_table["config_items"]) == (8, 5)
    assert first.records_duplicate == 3
    write(
        logs / key("ConfigSnapshot", "second", at=START + DAY), [*items, item(resource_id="sg-5")]
    )
    second = run(logs, lake, merge_bytes=1)
    assert (second.rows_by_table["config_items"], second.records_duplicate) == (1, 5)
    assert run(logs, lake, reingest=True).records_read == 14
    assert ask(lake, COUNT) == [{"items": 6, "ids": 6}]
    assert leftovers(lake) == []

    compact(str(lake))
    assert check(str(lake)).flaws == []
    here = Lake.open(str(lake))
    expire(here, before=(START - 2 * DAY).date(), today=START.date())
    assert ask(lake, COUNT) == [{"items": 4, "ids": 4}]
    assert check(here).flaws == []

    forget(here, kind="user_name", value="dora", action="mask")
    (row,) = ask(
        lake,
        "select distinct tags, masked_paths is null as kept from lake.config_items where tags <> '{}'",
    )
    assert row == {"tags": '{"owner": "***"}', "kept": False}
    forget(here, kind="account", value=ACCOUNT)
    assert ask(lake, COUNT) == [{"items": 0, "ids": 0}]
    write(logs / key("ConfigSnapshot", "third", at=START + 2 * DAY), items)
    assert run(logs, lake).records_filtered == 5
    assert ask(lake, COUNT) == [{"items": 0, "ids": 0}]


def test_a_buckets_config_files_are_listed_when_that_is_asked_for() -> None:
    assert "config" not in chosen(Settings()).kinds
    assert "config" in chosen(Settings(ingest=Ingest(config_items=True))).kinds
