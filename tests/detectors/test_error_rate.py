from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctanalytics.detectors.error_rate import error_rate
from tests.detectors.organization import DAYS, WINDOW, background, calls, context, minute


def burst(code: str, count: int = 90, **more: object) -> list[object]:
    random = np.random.default_rng(3)
    tables = [
        calls(random.integers(0, minute(DAYS), 30), f"List{n}", error_code=code, read_only=True)
        for n in range(8)
    ]
    spots = minute(30, 11) + np.arange(count) // 10
    columns = {
        "error_code": code,
        "read_only": True,
        "is_error": True,
        "account_id": "444455556666",
        **more,
    }
    return [*background(), *tables, calls(spots, "ListSecrets", **columns)]


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        pytest.param(
            "AccessDenied",
            "User: x is not authorized with an explicit deny in a service control policy",
            ", by a service control policy; its most",
            id="by-the-organization",
        ),
        pytest.param(
            "Client.UnauthorizedOperation",
            "no identity-based policy allows the action",
            "all to user dora; its most",
            id="by-a-lack-of-permission",
        ),
    ],
)
def test_a_burst_of_refusals_is_found_and_who_refused_is_told(
    tmp_path: Path, code: str, message: str, told: str
) -> None:
    # The account's other errors are its history: a series of its own has none.
    tables = burst(code, error_message=message)
    old = calls(
        np.arange(5, minute(28), 1_440), "ListSecrets", error_code=code, account_id="444455556666"
    )
    rows = error_rate(context(tmp_path, [*tables, old]), WINDOW).anomalies.to_pylist()
    assert [(row["event_name"], row["error_code"]) for row in rows] == [("ListSecrets", code)]
    assert rows[0]["severity"] in ("low", "medium")
    assert "was refused" in rows[0]["explanation"]
    assert told in rows[0]["explanation"]


def test_codes_that_mean_there_is_none_never_fire(tmp_path: Path) -> None:
    code = "NoSuchLifecycleConfiguration"
    old = calls(
        np.arange(5, minute(28), 1_440), "ListSecrets", error_code=code, account_id="444455556666"
    )
    assert error_rate(context(tmp_path, [*burst(code), old]), WINDOW).anomalies.num_rows == 0


def test_failed_sign_ins_count_by_their_message(tmp_path: Path) -> None:
    message = "Failed authentication"
    columns = {"error_message": message, "event_source": "signin.amazonaws.com"}
    old = calls(np.arange(5, minute(30), 700), "ConsoleLogin", **columns)
    now = calls(minute(30, 11) + np.arange(60) // 5, "ConsoleLogin", **columns)
    rows = error_rate(context(tmp_path, [*background(), old, now]), WINDOW).anomalies.to_pylist()
    assert [row["error_code"] for row in rows] == [message]
