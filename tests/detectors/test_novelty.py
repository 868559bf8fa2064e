from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors.base import Context
from ctanalytics.detectors.novelty import novelty
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.records.schema import EVENTS
from ctanalytics.settings import Detect, Geoip
from tests import builders, mmdb
from tests.detectors.organization import END, WINDOW, minute
from tests.detectors.test_isolation_forest import USER, acting, office, someone, theft

ACCOUNT = "111122223333"
HIRED = f"{USER}hired"
BACKDOOR = f"{USER}backdoor"
ROLE = "arn:aws:iam::{}:role/{}"
SSO = "aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Dev_{:016x}"
SECRET = {"event_source": "secretsmanager.amazonaws.com"}


def of_role(arn: str, minutes: Any, name: str, **columns: Any) -> pa.Table:
    account = arn.split(":")[4]
    session = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/session"
    role = {
        "identity_type": "AssumedRole",
        "principal_type": "role",
        "identity_arn": session,
        "actor": session,
        "account_id": account,
        "recipient_account_id": account,
        "identity_account_id": account,
    }
    return acting(arn, minutes, name, **{**role, **columns})


def vending() -> list[pa.Table]:
    """A factory that has worked for weeks makes ten accounts in an afternoon."""
    factory = ROLE.format(ACCOUNT, "account-factory")
    source = {"event_source": "organizations.amazonaws.com"}
    tables = [of_role(factory, [minute(day, 9)], "ListAccounts", **source) for day in range(34)]
    for number in range(11):
        # The first one is of weeks ago.
        day = 31 if number else 12
        account, at = f"9000000000{number:02d}", minute(day, 14, 2 * number)
        asked = json.dumps({"roleArn": ROLE.format(account, "AWSControlTowerExecution")})
        tables += [
            of_role(factory, [at], "CreateAccount", read_only=False, **source),
            of_role(
                factory,
                [at + 1],
                "AssumeRole",
                event_source="sts.amazonaws.com",
                request_parameters=asked,
            ),
        ]
        for role in (
            "AWSControlTowerExecution",
            SSO.format(number),
            f"app-{number}",
            "stacksets-exec-1a",
        ):
            arn = ROLE.format(account, role)
            tables.append(
                of_role(arn, at + np.arange(20), "CreateRole", event_source="iam.amazonaws.com")
            )
    return tables


def permission_set() -> list[pa.Table]:
    """Developers have read secrets in one account for weeks; one of them does in another."""
    here, there = (ROLE.format(account, SSO.format(7)) for account in (ACCOUNT, "444455556666"))
    days = [day for day in range(34) if day % 7 < 5]
    people = {"session_name": "ana@example.com", "on_behalf_of_user_id": "ana"}
    return [
        of_role(here, [minute(day, 10) for day in days], "GetSecretValue", **SECRET, **people),
        of_role(there, [minute(day, 11) for day in days], "ListTables", **people),
        of_role(there, [minute(32, 15)], "GetSecretValue", **SECRET, **people),
    ]


def newcomers() -> list[pa.Table]:
    """One does what all do; the other makes keys and reads secrets from nowhere."""
    hired = {"source_ip_address": "203.0.113.200"}
    odd = {"source_ip_address": "192.0.2.66", "user_agent": "curl/8.5"}
    iam = {"event_source": "iam.amazonaws.com", "read_only": False}
    return [
        acting(HIRED, minute(31, 9) + np.arange(0, 200, 20), "DescribeInstances", **hired),
        acting(BACKDOOR, [minute(32, 3)], "CreateAccessKey", **iam, **odd),
        acting(BACKDOOR, minute(32, 3) + np.arange(1, 9), "GetSecretValue", **SECRET, **odd),
    ]


def oddities() -> list[pa.Table]:
    """What hostile or broken logs hold."""
    nobody = ("principal_arn", "principal_type", "actor", "identity_arn")
    huge = acting(someone(5), [minute(33, 10)], "DescribeInstances", user_agent="z" * 2_000_000)
    ghost = acting("ghost", [minute(33, 11)], "GetSecretValue", **SECRET)
    for name in nobody:
        place = ghost.schema.get_field_index(name)
        ghost = ghost.set_column(place, EVENTS.field(name), pa.nulls(1, pa.string()))
    columns = [minute(day, 12) for day in (1, 33)]
    absurd = acting(someone(6), columns, "DeleteTrail", event_time_status="future")
    at = absurd.schema.get_field_index("event_date")
    absurd = absurd.set_column(at, EVENTS.field("event_date"), pa.array([dt.date(1970, 1, 1)] * 2))
    return [huge, ghost, absurd]


def context(folder: Path, events: Iterable[pa.Table], **more: Any) -> Context:
    geoip = more.pop("geoip", Geoip())
    threads = more.pop("threads", 2)
    made = builders.engine(folder, events=pa.concat_tables(events), **more)
    engine = Engine(made.tables, threads=threads)
    made.close()
    return Context(engine, LocalExecutor(1), Detect(), END, geoip=geoip)


@pytest.fixture(scope="module")
def events() -> list[pa.Table]:
    tables = [*office(), *theft(someone(3)), *vending(), *permission_set(), *newcomers()]
    return tables + oddities()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("novelty")


@pytest.fixture(scope="module")
def made(home: Path, events: list[pa.Table]) -> Context:
    return context(home, events)


@pytest.fixture(scope="module")
def found(made: Context) -> dict[str, dict[str, Any]]:
    return {row["principal_arn"]: row for row in novelty(made, WINDOW).anomalies.to_pylist()}


def test_a_stolen_key_is_told_by_what_it_did_for_the_first_time(
    found: dict[str, dict[str, Any]],
) -> None:
    row = found[someone(3)]
    assert (row["kind"], row["severity"]) == ("first_seen", "high")
    assert row["explanation"].startswith("user person03 called ")
    assert "for the first time" in row["explanation"]
    assert (
        "198.51.100.23; in the 30 days before it never did, and none of its" in (row["explanation"])
    )
    kinds = {one["kind"] for one in json.loads(row["evidence"])["first_seen"]}
    assert kinds == {"api", "network", "agent"}


def test_only_the_strange_page(found: dict[str, dict[str, Any]]) -> None:
    # Ten new accounts, a permission set in another account and a new hire page nobody.
    assert found.keys() == {someone(3), someone(5), BACKDOOR}


def test_a_program_of_two_megabytes_is_told_in_a_few_letters(
    found: dict[str, dict[str, Any]],
) -> None:
    row = found[someone(5)]
    assert row["severity"] == "low"
    assert f"used {'z' * 40} for the first time" in row["explanation"]
    assert len(row["explanation"]) < 300


def test_a_stranger_to_the_whole_organization_pages_on_the_first_day(
    found: dict[str, dict[str, Any]],
) -> None:
    row = found[BACKDOOR]
    assert row["started_at"] == END - dt.timedelta(days=3) + dt.timedelta(hours=3)
    assert "nobody here had seen it before" in row["explanation"]


def test_the_statement_lists_what_was_done_for_the_first_time(
    made: Context, found: dict[str, dict[str, Any]]
) -> None:
    for row in found.values():
        evidence = json.loads(row["evidence"])
        listed = made.engine.query(evidence["sql"])
        assert listed.num_rows == evidence["events"]
        assert set(evidence["event_ids"]) == set(listed["event_id"].to_pylist())


def test_a_day_is_judged_alike_whatever_the_window_threads_and_order(
    home: Path, events: list[pa.Table], found: dict[str, dict[str, Any]]
) -> None:
    from ctanalytics.detectors.base import Window

    window = Window(END - dt.timedelta(days=4), END)
    again = novelty(context(home, events[::-1], threads=1), window).anomalies
    assert again.to_pylist() == list(found.values())


def test_marked_days_teach_nothing_but_what_was_benign_is_known(
    tmp_path: Path, events: list[pa.Table], found: dict[str, dict[str, Any]]
) -> None:
    # The thief comes back two days later: new again after an incident, known when it was fine.
    later = [
        acting(
            someone(3),
            [minute(33, 2)],
            "GetSecretValue",
            source_ip_address="198.51.100.23",
            **SECRET,
        )
    ]
    scores = {}
    for verdict in ("benign", "confirmed"):
        mark = {
            "anomaly_id": found[someone(3)]["anomaly_id"],
            "verdict": verdict,
            "marked_by": "dora",
            "marked_at": END,
        }
        here = context(tmp_path, events + later, anomalies=[found[someone(3)]], marks=[mark])
        rows = novelty(here, WINDOW).anomalies.to_pylist()
        scores[verdict] = [row["score"] for row in rows if row["principal_arn"] == someone(3)]
    assert [len(scores["benign"]), len(scores["confirmed"])] == [1, 2]


def test_an_autonomous_system_stands_for_its_networks_and_places_tell_travel(
    home: Path, events: list[pa.Table]
) -> None:
    def record(city: str, country: str, latitude: float, longitude: float) -> dict[str, Any]:
        location = {"latitude": latitude, "longitude": longitude, "accuracy_radius": 50}
        return {
            "country": {"iso_code": country},
            "city": {"names": {"en": city}},
            "location": location,
        }

    isp = {"autonomous_system_number": 64500, "autonomous_system_organization": "Home Net"}
    files = Geoip(
        city=str(
            mmdb.write(
                home / "city.mmdb",
                {
                    "203.0.112.0/22": record("Berlin", "DE", 52.5, 13.4),
                    "192.0.2.0/24": record("Sydney", "AU", -33.9, 151.2),
                },
            )
        ),
        asn=str(mmdb.write(home / "asn.mmdb", {"203.0.112.0/22": isp})),
    )
    night = minute(30, 2)
    more = [
        acting(someone(9), [night], "DescribeInstances", source_ip_address="203.0.114.9"),
        acting(someone(8), [night], "ListTables", source_ip_address="203.0.113.9"),
        acting(someone(8), [night + 25], "GetSecretValue", source_ip_address="192.0.2.7", **SECRET),
    ]
    result = novelty(context(home, [*events, *more], geoip=files), WINDOW)
    rows = result.anomalies.to_pylist()
    (travel,) = [row for row in rows if row["kind"] == "impossible_travel"]
    assert travel["principal_arn"] == someone(8)
    assert travel["severity"] == "high"
    assert (
        "called from Berlin, DE (203.0.113.9) at 02:00 UTC and from Sydney, AU (192.0.2.7) "
        "25 minutes later, 15,9" in travel["explanation"]
    )
    assert someone(9) not in {row["principal_arn"] for row in rows}  # the same provider
    here = json.loads(travel["evidence"])
    assert here["events"] >= 2


def test_an_empty_lake_has_no_first_times(tmp_path: Path) -> None:
    result = novelty(context(tmp_path, [EVENTS.empty_table()]), WINDOW)
    assert result.anomalies.num_rows == 0
