"""Statements that are run date by date give what they give at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors import behaviour_evidence as evidence
from ctanalytics.detectors import behaviour_facts as facts
from ctanalytics.detectors.behaviour_evidence import Span
from ctanalytics.detectors.behaviour_facts import Touched
from ctanalytics.detectors.behaviour_told import Told, gather
from ctanalytics.detectors.by_date import ByDate
from ctanalytics.detectors.novelty_travel import Journey, journeys
from ctanalytics.detectors.spread import Spread
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.lake import Lake
from ctanalytics.places import PLACES
from tests.app.spreading import AsJson
from tests.detectors.organization import START, calls, minute

EVE = "arn:aws:iam::111122223333:user/eve"
HERE, AWAY = "203.0.113.9", "192.0.2.7"
DAYS = 3
UNTIL = START + dt.timedelta(days=DAYS)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Three days of a user who is far away from midnight of the last one on, and of another."""
    random = np.random.default_rng(3)
    eve = {"principal_arn": EVE, "actor": EVE}
    at_home = [minute(0, 9), minute(0, 10), minute(1, 9), minute(1, 10), minute(1, 23, 50)]
    tables = [
        calls(at_home, "ListTables", source_ip_address=HERE, **eve),
        calls(minute(2) + np.arange(20, 90), "GetItem", source_ip_address=AWAY, **eve),
        calls(random.integers(0, minute(DAYS), 60), "ListTables", account_id="444455556666"),
    ]
    made = Lake.create(tmp_path_factory.mktemp("dated") / "lake")
    made.append("events", pa.concat_tables(tables))
    return made


@pytest.fixture(params=[1, 1 << 40], ids=["a-part-a-date", "at-once"])
def by_date(request: pytest.FixtureRequest, lake: Lake) -> Iterator[ByDate]:
    known = [
        {"address": HERE, "is_aws": False, "latitude": 52.5, "longitude": 13.4},
        {"address": AWAY, "is_aws": False, "latitude": -33.9, "longitude": 151.2},
    ]
    executor, derived = AsJson(), Derived.open(lake)
    with lake.engine() as engine:
        engine.register("address_places", pa.Table.from_pylist(known, PLACES))
        yield ByDate(Spread(engine, executor, derived, request.param))
    derived.close()
    assert len(executor.parts) >= 2 * DAYS if request.param == 1 else not executor.parts


def test_who_was_where_and_did_what_is_the_same_by_parts(by_date: ByDate) -> None:
    last = UNTIL - dt.timedelta(days=1)
    news = frozenset([(EVE, last.date(), "network", "192.0.2.0/24")])
    first = START + dt.timedelta(days=1)
    assert list(journeys(by_date, first, UNTIL, news)) == [
        Journey(
            principal_key=EVE,
            principal_arn=EVE,
            person=EVE,
            day=last.date(),
            condition=f"source_ip_address in ('{AWAY}', '{HERE}')",
            text=f"called from {HERE} at 23:50 UTC and from {AWAY} 30 minutes later, 16,097 km away",
        )
    ]
    gather(by_date, [Told(EVE, EVE, last, UNTIL), Told("nobody", "nobody", START, last)])
    seen = facts.touched(by_date.spread.engine, EVE, EVE, last, UNTIL)
    (api,) = seen.apis
    assert (api.event_name, api.calls, api.own_days) == ("GetItem", 70, 0)
    assert seen == Touched(
        apis=[api],
        regions={"eu-west-1": 2},
        networks={"192.0.2.0/24": 0},
        agents={"aws-cli": 2},
        hours={0: 2},  # the hour of day stays as the builder has it
        addresses={"192.0.2.0/24": [AWAY]},
        user_agents={"aws-cli": ["aws-cli/2.31.0"]},
    )
    behind = evidence.read(
        by_date.spread.engine, evidence.events_sql(EVE, EVE, [Span(last, UNTIL)])
    )
    assert (behind.events, len(behind.event_ids), behind.impact) == (70, 70, "write")
    assert behind.first == last + dt.timedelta(minutes=20)
