"""The published records that these numbers must equal are tabulated in the AWS user guide's
examples of Insights events (editions of 2019 to 2026), and in one record published on GitHub."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ctanalytics.detectors.insight import Facts, Share, average, baseline_start, records


def facts(**changes: Any) -> Facts:
    start = dt.datetime(2026, 3, 4, 9, 47, tzinfo=dt.UTC)
    values: dict[str, Any] = {
        "anomaly_id": "a" * 32,
        "insight_type": "ApiCallRateInsight",
        "account_id": "123456789012",
        "aws_region": "eu-west-1",
        "event_source": "ec2.amazonaws.com",
        "event_name": "RunInstances",
        "error_code": None,
        "start": start,
        "end": start + dt.timedelta(minutes=20),
        "start_calls": 62,
        "calls": 248,
        "baseline_calls": 196,
        "attributions": {
            "userIdentityArn": [
                Share("arn:aws:iam::123456789012:user/dora", 8, 0),
                Share("arn:aws:sts::123456789012:assumed-role/ci-runner", 240, 196),
            ],
            "userAgent": [Share("aws-cli/2.17.0", 248, 0), Share("terraform/1.9", 0, 196)],
            "errorCode": [
                Share("Client.InstanceLimitExceeded", 60, 0),
                Share("null", 188, 196),
            ],
        },
        "start_attributions": {
            "userIdentityArn": [
                Share("arn:aws:sts::123456789012:assumed-role/ci-runner", 62, 196),
            ],
        },
    }
    return Facts(**(values | changes))


@pytest.mark.parametrize(
    ("start", "minutes"),
    [
        pytest.param("2023-01-10T20:56:00+00:00", 11_336, id="CompleteLifecycleAction"),
        pytest.param("2023-01-10T16:52:00+00:00", 11_092, id="start-16:52"),
        pytest.param("2023-01-10T10:43:00+00:00", 10_723, id="DescribeRegions"),
        pytest.param("2023-01-10T00:00:00+00:00", 10_080, id="midnight"),
    ],
)
def test_the_baseline_reaches_from_midnight_seven_days_before(start: str, minutes: int) -> None:
    moment = dt.datetime.fromisoformat(start)
    assert (moment - baseline_start(moment)) // dt.timedelta(minutes=1) == minutes


@pytest.mark.parametrize(
    ("calls", "minutes", "published"),
    [
        (1, 11_336, 0.0000882145),
        (3, 5, 0.6),
        (5, 1, 5.0),
        (6, 5, 1.2),
        (6, 1, 6),
        (1_652_026, 10_723, 154.063788119),
        (432_526, 121, 3574.5950413223),
        (861_036, 10_080, 85.4202380952),
        (664, 1, 664),
        (18, 10_080, 0.0017857143),
        (17_702, 10_080, 1.7561507937),
        (1, 10_181, 9.82222e-5),
    ],
)
def test_averages_equal_the_published_ones(calls: int, minutes: int, published: float) -> None:
    assert average(calls, minutes) == pytest.approx(published, abs=6e-11)


def test_a_start_and_an_end_share_their_id_and_their_numbers_add_up() -> None:
    made = records(facts())
    start, end = made["start"], made["end"]
    assert start is not None
    assert end is not None
    assert start["sharedEventID"] == end["sharedEventID"]
    assert start["eventID"] != end["eventID"]
    assert end["eventTime"] == "2026-03-04T10:07:00Z"
    assert start["eventTime"] == "2026-03-04T09:47:00Z"
    details = end["insightDetails"]
    assert details["insightContext"]["statistics"] == {
        "baseline": {"average": 0.0183744258},
        "insight": {"average": 12.4},
        "insightDuration": 20,
        "baselineDuration": 10_667,
    }
    for attribution in details["insightContext"]["attributions"]:
        assert sum(value["average"] for value in attribution["insight"]) == pytest.approx(12.4)
        averages = [value["average"] for value in attribution["insight"]]
        assert averages == sorted(averages, reverse=True)
        baseline = sum(value["average"] for value in attribution["baseline"])
        assert baseline == pytest.approx(0.0183744258)
    opening = start["insightDetails"]["insightContext"]["statistics"]
    assert opening["insight"]["average"] * opening["insightDuration"] == 62
    (who,) = start["insightDetails"]["insightContext"]["attributions"]
    assert who["insight"][0]["average"] == 12.4


def test_an_error_rate_names_the_code_instead_of_attributing_it() -> None:
    made = records(facts(insight_type="ApiErrorRateInsight", error_code="AccessDenied"))["end"]
    assert made is not None
    assert made["insightDetails"]["errorCode"] == "AccessDenied"
    made = records(facts())["end"]
    assert made is not None
    assert "errorCode" not in made["insightDetails"]


def test_while_it_goes_on_there_is_no_end() -> None:
    assert records(facts(end=None))["end"] is None


def test_at_most_five_values_are_attributed() -> None:
    shares = [Share(f"arn:{n}", n + 1, 0) for n in range(9)]
    made = records(facts(attributions={"userIdentityArn": shares}))["end"]
    assert made is not None
    values = made["insightDetails"]["insightContext"]["attributions"][0]["insight"]
    assert [value["value"] for value in values] == [*(f"arn:{n}" for n in (8, 7, 6, 5)), "other"]
    assert sum(value["average"] for value in values) == pytest.approx(sum(range(1, 10)) / 20)


def test_ids_depend_on_the_anomaly_alone() -> None:
    assert records(facts())["start"]["eventID"] == records(facts(calls=9))["start"]["eventID"]  # type: ignore[index]
