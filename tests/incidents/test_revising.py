"""Incidents keep their ids: they grow, escalate, merge, close and open again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.settings import Incidents
from tests.incidents.scene import MINUTE, NIGHT, T0, anomaly, events, role
from tests.incidents.world import World

DAY = dt.timedelta(days=1)


def test_an_incident_grows_escalates_closes_and_opens_again_under_its_id(tmp_path: Path) -> None:
    first, more = events(2), events(2, at=120, event_name="TerminateInstances")
    going_on = anomaly(first, "1", severity="low", state="open", ended_at=None)
    world = World(tmp_path, events=[*first, *more], anomalies=[going_on])
    assert world.build().opened == 1
    (opened,) = world.standing()
    assert (opened["state"], opened["ended_at"]) == ("open", None)
    added = anomaly(more, "2", severity="high")
    world.add("anomalies", anomaly(first, "1", severity="low", revision=2), added)
    assert world.build(NIGHT + DAY / 2).updated == 1
    (grown,) = world.standing()
    assert grown["incident_id"] == opened["incident_id"]
    assert (grown["state"], grown["severity"], grown["first_severity"]) == (
        "escalated",
        "high",
        "low",
    )
    assert grown["escalated_at"] == NIGHT + DAY / 2
    assert world.build(NIGHT + DAY / 2).rows.num_rows == 0
    assert world.build(NIGHT + 2 * DAY).closed == 1
    assert world.build(NIGHT + 3 * DAY).rows.num_rows == 0
    (closed,) = world.standing()
    assert (closed["state"], closed["closed_because"]) == ("closed", "ended")
    world.add("anomalies", added | {"revision": 2, "state": "open", "ended_at": None})
    world.build(NIGHT + 3 * DAY)
    (again,) = world.standing()
    assert (again["state"], again["revision"]) == ("escalated", closed["revision"] + 1)


def test_two_incidents_that_turn_out_to_be_one_are_the_older_one(tmp_path: Path) -> None:
    home = events(2, source_ip_address="192.0.2.1")
    away = events(2, at=300, arn=role("web"), source_ip_address="203.0.113.9")
    # One person used both roles' sessions: a session of each, with the same source identity.
    person = {"source_identity": "dora", "source_ip_address": "192.0.2.77"}
    both = [*events(1, at=100, **person), *events(1, at=101, arn=role("web"), **person)]
    world = World(tmp_path, events=[*home, *away, *both], anomalies=[anomaly(home, "home")])
    world.build()
    world.add("anomalies", anomaly(away, "away", severity="high", event_name="StopInstances"))
    world.build(NIGHT + MINUTE)
    older, younger = world.standing()
    world.add(
        "anomalies",
        anomaly(both, "both", detector="novelty", kind="first_seen", severity="low"),
    )
    result = world.build(NIGHT + 2 * MINUTE)
    assert (result.updated, result.merged) == (1, 1)
    kept, gone = world.standing()
    assert (kept["incident_id"], gone["incident_id"]) == (
        older["incident_id"],
        younger["incident_id"],
    )
    assert (gone["state"], gone["closed_because"]) == ("closed", "merged")
    assert gone["superseded_by"] == kept["incident_id"]
    assert len(kept["anomaly_ids"]) == 3
    assert kept["state"] == "escalated"
    assert kept["people"] == ["dora"]
    assert world.build(NIGHT + 3 * MINUTE).rows.num_rows == 0


def test_what_late_logs_take_away_closes_and_what_people_call_benign_too(tmp_path: Path) -> None:
    one, two = events(2), events(2, at=600, arn=role("web"), source_ip_address="192.0.2.1")
    first = anomaly(one, "1", state="open", ended_at=None)
    second = anomaly(two, "2", event_name="StopInstances")
    world = World(tmp_path, events=[*one, *two], anomalies=[first, second])
    world.build()
    world.add("anomalies", first | {"revision": 2, "state": "withdrawn"})
    mark = {
        "anomaly_id": second["anomaly_id"],
        "verdict": "benign",
        "note": "a rehearsal",
        "marked_by": "dora",
        "marked_at": NIGHT + MINUTE,
    }
    world.add("marks", mark)
    assert world.build(NIGHT + 2 * MINUTE).closed == 2
    assert [row["closed_because"] for row in world.standing()] == ["withdrawn", "marked"]
    assert world.build(NIGHT + 3 * MINUTE).rows.num_rows == 0
    world.add("anomalies", first | {"revision": 3})
    world.build(NIGHT + 4 * MINUTE)
    assert [row["state"] for row in world.standing()] == ["open", "closed"]
    world.add("marks", mark | {"verdict": "none", "marked_at": NIGHT + 5 * MINUTE})
    world.build(NIGHT + 6 * MINUTE)
    assert [row["state"] for row in world.standing()] == ["open", "open"]


def incidents(world: World) -> list[int]:
    """How many anomalies each incident has, the largest first."""
    return sorted((len(row["anomaly_ids"]) for row in world.standing()), reverse=True)


@pytest.mark.parametrize(
    ("minutes", "second", "sizes"),
    [
        pytest.param(360, {}, [2], id="one-principal-within-six-hours"),
        pytest.param(365, {}, [1, 1], id="one-principal-later"),
        pytest.param(55, {"arn": role("web")}, [2], id="one-rare-network-within-an-hour"),
        pytest.param(65, {"arn": role("web")}, [1, 1], id="one-rare-network-later"),
        pytest.param(
            30, {"arn": role("web"), "source_ip_address": "192.0.2.8"}, [1, 1], id="nothing"
        ),
        pytest.param(
            30,
            {
                "arn": role("ci", "444455556666"),
                "account": "444455556666",
                "source_ip_address": "x",
            },
            [2],
            id="one-role-name-in-two-accounts",
        ),
    ],
)
def test_what_is_shared_links_within_its_time(
    tmp_path: Path, minutes: int, second: dict[str, Any], sizes: list[int]
) -> None:
    one = events(1)
    two = events(1, at=1 + minutes, event_name="StopInstances", **second)
    world = World(tmp_path, events=[*one, *two], anomalies=[anomaly(one, "1"), anomaly(two, "2")])
    world.build()
    assert incidents(world) == sizes


def test_what_stopped_tells_who_and_a_silence_only_whom_its_detector_names(tmp_path: Path) -> None:
    before = events(3, event_name="CreateGrant", event_source="kms.amazonaws.com")
    stop, silence = (
        anomaly(before, kind, kind=kind, started_at=T0 + DAY, ended_at=T0 + 2 * DAY, **columns)
        for kind, columns in (
            ("stop", {"event_name": None}),
            ("silence", {"event_name": None, "principal_arn": role("breaker")}),
        )
    )
    world = World(tmp_path, events=before, anomalies=[stop, silence])
    world.build(T0 + 2 * DAY)
    assert sorted(row["principal_arns"] for row in world.standing()) == [
        [role("breaker")],
        [role("ci")],
    ]
    assert [row["tactics"] for row in world.standing()] == [[], []]
    assert {row["severity"] for row in world.standing()} == {"medium"}


def test_what_the_rate_detectors_grouped_is_one(tmp_path: Path) -> None:
    where = {"source_ip_address": "192.0.2.1"}
    one, two = events(1), events(1, at=90, arn=role("web"), event_name="StopInstances", **where)
    burst = {"extra": {"group_id": "g"}}
    found = [anomaly(one, "1", **burst), anomaly(two, "2", **burst)]
    world = World(tmp_path, events=[*one, *two], anomalies=found)
    world.build()
    assert [row["linked_by"] for row in world.standing()] == [["group"]]


def test_a_network_that_many_use_anyway_links_nobody(tmp_path: Path) -> None:
    office = [
        call
        for number in range(5)
        for call in events(1, at=-24 * 60, arn=role(f"r{number}"), event_name="GetObject")
    ]
    one, two = events(1, arn=role("a")), events(1, at=5, arn=role("b"), event_name="StopInstances")
    world = World(
        tmp_path, events=[*office, *one, *two], anomalies=[anomaly(one, "1"), anomaly(two, "2")]
    )
    world.build()
    assert incidents(world) == [1, 1]
    assert world.standing()[0]["networks"] == ["198.51.100.0/24"]


def test_two_people_behind_one_permission_set_are_two_incidents(tmp_path: Path) -> None:
    arn = role("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef")
    one = events(1, arn=arn, session_name="dora", source_ip_address="192.0.2.1")
    two = events(1, at=5, arn=arn, session_name="emil", source_ip_address="203.0.113.9")
    world = World(
        tmp_path,
        events=[*one, *two],
        anomalies=[anomaly(one, "1"), anomaly(two, "2", event_name="StopInstances")],
    )
    world.build()
    assert [row["people"] for row in world.standing()] == [["dora"], ["emil"]]


def test_an_api_links_rates_in_an_account_and_rules_only_in_three_accounts(tmp_path: Path) -> None:
    def call(number: int, account: str) -> list[dict[str, object]]:
        where = {"source_ip_address": f"192.0.{number}.1"}
        return events(1, at=number, arn=role(f"r{number}", account), account=account, **where)

    own = "111122223333"
    calls = [call(number, own) for number in (1, 2)]
    rules = [anomaly(each, f"{place}", kind="rule") for place, each in enumerate(calls)]
    rates = [row | {"kind": "surge", "anomaly_id": f"{row['series_key']:032}"} for row in rules]
    for found, sizes in ((rules, [1, 1]), (rates, [2])):
        world = World(tmp_path, events=[*calls[0], *calls[1]], anomalies=found)
        world.build()
        assert incidents(world) == sizes
    other = [call(3, "444455556666"), call(4, "777788889999")]
    world.add("events", *other[0], *other[1])
    world.add(
        "anomalies", *(anomaly(each, f"x{place}", kind="rule") for place, each in enumerate(other))
    )
    world.build(NIGHT + MINUTE)
    assert incidents(world) == [4]


def test_noise_that_never_pauses_is_an_incident_a_week(tmp_path: Path) -> None:
    calls = [events(1, at=day * 24 * 60) for day in range(20)]
    found = [
        anomaly(each, f"{day}", kind="rule", ended_at=T0 + (day + 1) * DAY, severity="low")
        for day, each in enumerate(calls)
    ]
    world = World(tmp_path, events=[call for each in calls for call in each], anomalies=found[:10])
    settings = Incidents(longest_days=7)
    world.build(T0 + 10 * DAY, settings)
    assert incidents(world) == [7, 3]
    world.add("anomalies", *found[10:])
    world.build(T0 + 20 * DAY, settings)
    assert incidents(world) == [7, 7, 6]


def test_lesser_anomalies_are_no_bridge_and_leave_for_a_graver_one(tmp_path: Path) -> None:
    accounts = [f"{number:012}" for number in range(1, 7)]
    pipeline = {"source_identity": "repo:example/shop", "event_name": "UpdateFunctionCode"}
    deployed = [
        events(1, at=number, arn=role("ci", account), account=account, **pipeline)
        for number, account in enumerate(accounts)
    ]
    lesser = [
        anomaly(each, f"{number}", severity="low", kind="rule")
        for number, each in enumerate(deployed)
    ]
    attack = events(1, at=20, arn=role("ci", accounts[0]), account=accounts[0])
    world = World(
        tmp_path, events=[*(call for each in deployed for call in each), *attack], anomalies=lesser
    )
    world.build()
    assert incidents(world) == [6]
    (deployment,) = world.standing()
    world.add("anomalies", anomaly(attack, "attack", severity="high", detector="novelty"))
    assert world.build(NIGHT + MINUTE).opened == 1
    rest, found = world.standing()
    assert (rest["incident_id"], len(rest["anomaly_ids"])) == (deployment["incident_id"], 5)
    assert (found["severity"], found["account_ids"], len(found["anomaly_ids"])) == (
        "high",
        [accounts[0]],
        2,
    )
    assert world.build(NIGHT + 2 * MINUTE).rows.num_rows == 0
