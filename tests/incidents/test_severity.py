from __future__ import annotations

import math

import pytest

from ctanalytics.incidents.severity import Voice, combined_score, severity


def voice(detector: str, how: str, *, acted: bool = True) -> Voice:
    return Voice(detector, how, acted)


@pytest.mark.parametrize(
    ("voices", "tactics", "expected"),
    [
        pytest.param([voice("call_rate", "low")], 5, "low", id="alone"),
        pytest.param(
            [voice("call_rate", "medium"), voice("error_rate", "medium")],
            5,
            "medium",
            id="one-family",
        ),
        pytest.param(
            [voice("call_rate", "medium"), voice("sigma", "medium")], 1, "high", id="two-families"
        ),
        pytest.param(
            [voice("call_rate", "medium"), voice("sigma", "low")], 5, "medium", id="one-whispers"
        ),
        pytest.param(
            [
                voice("isolation_forest", "medium", acted=False),
                voice("sigma", "medium", acted=False),
            ],
            5,
            "medium",
            id="refused-only",
        ),
        pytest.param(
            [
                voice("isolation_forest", "high"),
                voice("call_rate", "high"),
                voice("novelty", "high"),
            ],
            9,
            "high",
            id="statistics-are-never-critical",
        ),
        pytest.param(
            [voice("isolation_forest", "high"), voice("sigma", "medium")],
            9,
            "high",
            id="nor-with-a-weak-rule",
        ),
        pytest.param(
            [voice("isolation_forest", "medium"), voice("sigma", "high")],
            3,
            "critical",
            id="campaign",
        ),
        pytest.param(
            [voice("isolation_forest", "medium"), voice("sigma", "high")],
            2,
            "high",
            id="two-tactics",
        ),
        pytest.param([voice("sigma", "critical")], 1, "critical", id="critical-rule"),
        pytest.param([voice("sigma", "high"), voice("sigma", "high")], 9, "high", id="rules-only"),
    ],
)
def test_severity_follows_the_table(voices: list[Voice], tactics: int, expected: str) -> None:
    assert severity(voices, tactics) == expected
    assert severity(voices[::-1], tactics) == expected


def test_one_score_stays_and_equal_ones_don_t_add_up() -> None:
    assert combined_score([4.0]) == pytest.approx(4.0, abs=1e-6)
    assert combined_score([4.0] * 7) == pytest.approx(4.0, abs=1e-6)
    assert combined_score([]) is None


def test_a_small_p_among_large_ones_counts_by_its_share() -> None:
    # For small p the combination is n / sum(1 / p).
    assert combined_score([8.0, 0.3, 0.3, 0.3]) == pytest.approx(8.0 - math.log10(4), abs=1e-3)
    reference = sum(math.tan((0.5 - p) * math.pi) for p in (0.03, 0.4, 0.9)) / 3
    expected = -math.log10(0.5 - math.atan(reference) / math.pi)
    assert combined_score([-math.log10(p) for p in (0.03, 0.4, 0.9)]) == pytest.approx(expected)


def test_scores_beyond_what_a_float_holds_stay_finite_and_in_any_order_the_same() -> None:
    found = combined_score([400.0, 0.0, 12.0])
    assert found == pytest.approx(300 - math.log10(3), abs=1e-3)
    assert found == combined_score([12.0, 400.0, 0.0])
