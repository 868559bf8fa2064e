"""CloudWatch over HTTP: which metrics come to be, and their sums."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import pytest

from ctanalytics.emitters import parse_target
from ctanalytics.emitters.base import Alert, Emitter, Outside, Run
from ctanalytics.emitters.cloudwatch import MAX_DATUMS
from ctanalytics.emitters.delivery import Tally, deliver
from ctanalytics.errors import EmitError, SettingsError
from ctanalytics.settings import Aws, TargetOptions
from tests.aws_server import Server, aws_server, json_error
from tests.emitters.alerts import NOW, alert, incident

NAMESPACE = "CloudTrail/Analytics"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def emitter() -> Emitter:
    return parse_target(f"cloudwatch:{NAMESPACE}", Outside(Aws(), io.StringIO())).emitter


def put(*alerts: Alert) -> tuple[Tally, int]:
    """Deliver; returns the tally and the number of calls."""
    tally = Tally()
    calls: list[Any] = []
    deliver(emitter(), alerts, {}, calls.append, tally=tally, now=NOW)
    return tally, len(calls)


def listed(server: Server, name: str = "Anomalies") -> list[list[dict[str, str]]]:
    """The dimensions of each metric of a name."""
    pages = server.client("cloudwatch").get_paginator("list_metrics")
    found = pages.paginate(Namespace=NAMESPACE, MetricName=name)
    return [metric["Dimensions"] for page in found for metric in page["Metrics"]]


def summed(server: Server, dimensions: list[dict[str, str]], name: str = "Anomalies") -> float:
    """The sum of a metric of the last hour; without dimensions, of all metrics of the name."""
    now = dt.datetime.now(dt.UTC)
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
    answer = server.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {"Id": "m", "MetricStat": {"Metric": metric, "Period": 7200, "Stat": "Sum"}}
        ],
        StartTime=now - dt.timedelta(hours=1),
        EndTime=now + dt.timedelta(hours=1),
    )
    return sum(answer["MetricDataResults"][0]["Values"])


def sums(server: Server, name: str = "Anomalies") -> dict[tuple[str, ...], float]:
    """The sum of each metric of the last hour, by its dimension values."""
    found = {
        tuple(one["Value"] for one in sorted(dimensions, key=lambda one: one["Name"])): summed(
            server, dimensions, name
        )
        for dimensions in listed(server, name)
    }
    if () in found:
        found[()] -= sum(value for key, value in found.items() if key)
    return found


def test_anomalies_are_counted_in_three_sets_of_dimensions_at_the_time_of_sending(
    server: Server,
) -> None:
    tally, calls = put(
        alert("a"), alert("b"), alert("c", severity="critical"), alert("d", detector="error_rate")
    )
    assert (tally.sent, calls) == (4, 1)
    assert sums(server) == {
        (): 4,
        ("high",): 3,
        ("critical",): 1,
        ("call_rate", "high"): 2,
        ("call_rate", "critical"): 1,
        ("error_rate", "high"): 1,
    }


def test_an_update_of_an_anomaly_is_not_counted_again(server: Server) -> None:
    tally, _ = put(alert("a", is_update=True))
    assert tally.sent == 1
    assert sums(server) == {}


def test_a_quiet_run_leaves_zeros_success_and_the_lakes_age(server: Server) -> None:
    emitter().finish(Run(NOW, 17.5))
    severities = ("info", "low", "medium", "high", "critical")
    assert sums(server) == {(): 0, **{(severity,): 0 for severity in severities}}
    assert sums(server, "RunSucceeded") == {(): 1}
    assert sums(server, "LakeLagMinutes") == {(): 17.5}


def test_an_empty_lake_has_no_age_and_a_failed_night_no_success(server: Server) -> None:
    emitter().finish(Run(NOW, None, went_well=False))
    assert sums(server, "LakeLagMinutes") == {}
    assert sums(server, "RunSucceeded") == {(): 0}


def test_a_call_holds_a_thousand_metrics_and_the_sums_add_up(server: Server) -> None:
    # n detectors of one severity are n + 2 metrics in a call.
    assert [len(batch) for batch in emitter().batches(of_detectors(MAX_DATUMS - 2))] == [998]
    alerts = of_detectors(MAX_DATUMS - 1)
    assert [len(batch) for batch in emitter().batches(alerts)] == [998, 1]
    tally, calls = put(*alerts)
    assert (tally.sent, calls) == (999, 2)
    assert server.count("POST") == 2
    assert len({str(dimensions) for dimensions in listed(server)}) == 1 + 1 + 999
    assert summed(server, [{"Name": "Severity", "Value": "high"}]) == 999
    assert summed(server, []) == 3 * 999


def of_detectors(count: int) -> list[Alert]:
    return [alert(str(n), detector=f"d{n:04}") for n in range(count)]


def test_a_call_stays_below_a_megabyte() -> None:
    alerts = [alert(str(n), detector=f"{n:04}" + "ä" * 300) for n in range(MAX_DATUMS - 2)]
    assert len(list(emitter().batches(alerts))) == 2


def test_a_dimension_is_ascii_and_never_blank(server: Server) -> None:
    put(alert("a", detector="détecteur 😀"), alert("b", detector=" "))
    detectors = {key[0] for key in sums(server) if len(key) == 2}
    assert detectors == {"d\\xe9tecteur \\U0001f600", "unnamed"}


def test_a_busy_service_is_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    busy = iter(range(9))  # more than botocore repeats by itself

    def throttle(request, passed):  # type: ignore[no-untyped-def]
        if next(busy, None) is not None:
            return json_error("Throttling", "Rate exceeded", 400)
        return None

    server.disturb.append(throttle)
    tally, _ = put(alert("a"))
    assert tally.sent == 1
    assert sums(server)[()] == 1


def test_a_denied_call_is_an_error_of_the_target(server: Server) -> None:
    server.disturb.append(lambda request, passed: json_error("AccessDenied", "no", 400))
    with pytest.raises(EmitError, match="cloudwatch:PutMetricData") as caught:
        put(alert("a"))
    assert caught.value.where == f"cloudwatch:{NAMESPACE}"


def test_without_a_region_the_mend_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SettingsError, match="no AWS region"):
        put(alert("a"))


def test_the_preview_counts_the_metrics_that_are_billed() -> None:
    # [], 5 severities, (call_rate, high), RunSucceeded, LakeLagMinutes
    assert emitter().preview([alert("a"), alert("b")], Run(NOW)).startswith("would write 9 metrics")


def test_accounts_and_regions_are_dimensions_where_the_settings_say_so(server: Server) -> None:
    options = {"cloudwatch": TargetOptions(dimensions=["account", "region"])}
    to = parse_target(f"cloudwatch:{NAMESPACE}", Outside(Aws(), io.StringIO(), options)).emitter
    to.send([alert("a"), alert("b", account_id=None, aws_region=None)])
    assert {key: value for key, value in sums(server).items() if len(key) == 2} == {
        ("111122223333", "high"): 1,
        ("eu-west-1", "high"): 1,
        ("call_rate", "high"): 2,
    }
    assert to.preview([alert("a")], Run(NOW)).startswith("would write 11 metrics")


def test_a_call_of_wide_incidents_stays_within_a_thousand_metrics() -> None:
    options = {"cloudwatch": TargetOptions(dimensions=["account"])}
    to = parse_target(f"cloudwatch:{NAMESPACE}", Outside(Aws(), io.StringIO(), options)).emitter
    wide = [
        incident(str(n), account_ids=[f"{n:04}{number:08}" for number in range(700)])
        for n in range(3)
    ]
    assert [len(batch) for batch in to.batches(wide)] == [1, 1, 1]


def test_incidents_are_counted_beside_anomalies_and_zero_when_there_is_none(server: Server) -> None:
    put(incident(), incident("j", severity="critical"), alert())
    assert sums(server, "Incidents") == {(): 2, ("high",): 1, ("critical",): 1}
    assert sums(server)[()] == 1
    emitter().finish(Run(NOW, has_incidents=True))
    assert sums(server, "Incidents")[("info",)] == 0
