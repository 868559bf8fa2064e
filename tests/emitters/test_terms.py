"""Routes, quiet hours and options."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ctanalytics.emitters import EMITTERS
from ctanalytics.emitters.base import Account
from ctanalytics.emitters.terms import is_quiet, routed, terms_of
from ctanalytics.settings import Emit, Route, TargetOptions
from tests.emitters.alerts import NOW, alert, incident

PAYMENTS = Account("111122223333", "payments", "Prod", "Root/Workloads/Prod", "production")
SANDBOX = Account("444455556666", "sandbox-7", "Sandbox", "Root/Sandbox", "sandbox")
IN_PAYMENTS = replace(alert(), accounts=(PAYMENTS,))
IN_SANDBOX = replace(alert(), accounts=(SANDBOX,))
IN_BOTH = replace(incident(), accounts=(PAYMENTS, SANDBOX))
NOWHERE = replace(alert(), accounts=())


@pytest.mark.parametrize(
    ("conditions", "payments", "sandbox", "both", "nowhere"),
    [
        pytest.param({}, 1, 1, 1, 1, id="no-condition"),
        pytest.param({"environment": ["production"]}, 1, 0, 1, 0, id="environment"),
        pytest.param({"environment": ["!sandbox"]}, 1, 0, 1, 1, id="excluded"),
        pytest.param({"account": ["sandbox-*"]}, 0, 1, 1, 0, id="name"),
        pytest.param({"account": ["1111*", "!payments"]}, 0, 0, 0, 0, id="id-but-not-name"),
        pytest.param({"ou": ["Root/Workloads/*"]}, 1, 0, 1, 0, id="ou-path"),
        pytest.param({"ou": ["Sandbox"]}, 0, 1, 1, 0, id="ou-name"),
        pytest.param({"detector": ["sigma"]}, 0, 0, 1, 0, id="detector-of-an-incident"),
        pytest.param({"min_severity": "critical"}, 0, 0, 0, 0, id="severity"),
        pytest.param(
            {"environment": ["production"], "account": ["sandbox-*"]}, 0, 0, 0, 0, id="one-account"
        ),
        pytest.param({"account": ["[ab]*"]}, 0, 0, 0, 0, id="brackets-mean-themselves"),
    ],
)
def test_a_route_lets_through_what_fits_all_its_conditions(
    conditions: dict[str, Any], payments: int, sandbox: int, both: int, nowhere: int
) -> None:
    routes = (Route(**conditions),)
    found = [routed(one, routes, NOW) for one in (IN_PAYMENTS, IN_SANDBOX, IN_BOTH, NOWHERE)]
    assert found == ["go" if wanted else "no" for wanted in (payments, sandbox, both, nowhere)]


def test_one_of_several_routes_is_enough_and_none_is_no_condition() -> None:
    routes = (Route(environment=["sandbox"]), Route(detector=["call_*"]))
    assert routed(IN_PAYMENTS, routes, NOW) == "go"
    assert routed(IN_PAYMENTS, (), NOW) == "go"


@pytest.mark.parametrize(
    ("route", "local", "quiet"),
    [
        pytest.param({"quiet_hours": "22:00-07:00"}, "2024-05-02 22:00", True, id="begins"),
        pytest.param({"quiet_hours": "22:00-07:00"}, "2024-05-02 06:59", True, id="past-midnight"),
        pytest.param({"quiet_hours": "22:00-07:00"}, "2024-05-02 07:00", False, id="ends"),
        pytest.param({"quiet_hours": "12:00-13:00"}, "2024-05-02 12:30", True, id="within-a-day"),
        pytest.param({"quiet_days": ["sat", "sun"]}, "2024-05-04 12:00", True, id="saturday"),
        pytest.param({"quiet_days": ["sat", "sun"]}, "2024-05-03 23:59", False, id="friday"),
        pytest.param({}, "2024-05-02 03:00", False, id="never"),
    ],
)
@pytest.mark.parametrize("zone", [("UTC", 0), ("Asia/Tokyo", 9), ("Europe/Berlin", 2)])
def test_quiet_hours_are_those_of_their_time_zone(
    route: dict[str, Any], local: str, quiet: bool, zone: tuple[str, int]
) -> None:
    name, hours = zone
    now = dt.datetime.fromisoformat(local).replace(tzinfo=dt.UTC) - dt.timedelta(hours=hours)
    assert is_quiet(Route(**route, timezone=name), now) == quiet


def test_what_is_urgent_does_not_wait_and_another_route_may_be_awake() -> None:
    night = Route(quiet_hours="05:00-07:00", urgent="critical")
    assert routed(alert(), (night,), NOW) == "wait"
    assert routed(alert(severity="critical"), (night,), NOW) == "go"
    assert (
        routed(alert(severity="critical"), (Route(quiet_hours="05:00-07:00", urgent="none"),), NOW)
        == "wait"
    )
    assert routed(alert(), (night, Route(detector=["call_rate"])), NOW) == "go"


def test_people_get_few_grave_alerts_without_names_and_machines_get_all() -> None:
    for kind, known in EMITTERS.items():
        terms = terms_of((kind,), known.habits, Emit())
        people = kind in ("sns", "webhook")
        assert terms.min_severity == ("high" if people else "medium")
        assert (terms.pii, terms.max_messages) == (("masked", 20) if people else ("full", 0))
        assert terms.grain == ("both" if kind == "cloudwatch" else "incidents")


def test_a_targets_own_options_go_before_those_of_its_kind_and_the_flag_before_both() -> None:
    emit = Emit(
        min_severity="low",
        options={
            "sns": TargetOptions(pii="full", max_messages=5, calls_per_second=2),
            "sns:arn": TargetOptions(max_messages=0, min_severity="critical"),
        },
        routes=[Route(to=["sns"]), Route(to=["sns:arn"]), Route(to=["webhook"]), Route()],
    )
    terms = terms_of(("sns", "sns:arn"), EMITTERS["sns"].habits, emit)
    assert (terms.pii, terms.max_messages, terms.calls_per_second) == ("full", 0, 2)
    assert terms.min_severity == "critical"
    assert len(terms.routes) == 3
    assert terms_of(("sns",), EMITTERS["sns"].habits, emit).min_severity == "low"
    assert terms_of(("sns", "sns:arn"), EMITTERS["sns"].habits, emit, "info").min_severity == "info"
