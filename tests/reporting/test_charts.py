from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.reporting import charts
from ctanalytics.reporting.document import Figure
from tests.reporting.scene import HOSTILE, SINCE

HOUR = dt.timedelta(hours=1)
RATE = Figure(
    name="rate",
    kind="rate",
    title="Observed and expected",
    description="At most 40.",
    unit="calls per minute",
    step_seconds=300,
    points=tuple((SINCE + place * HOUR / 12, float(place % 7), 1.5) for place in range(48)),
    window=(SINCE + HOUR, SINCE + 2 * HOUR),
)
ACTIVITY = replace(
    RATE,
    kind="activity",
    step_seconds=3600,
    points=tuple((SINCE + place * HOUR, place, place // 9) for place in range(72)),
)
HEAT = replace(ACTIVITY, kind="heat", window=None)


@pytest.mark.parametrize("figure", [RATE, ACTIVITY, HEAT], ids=["rate", "activity", "heat"])
def test_chart_is_inert_and_takes_its_colours_from_the_page(figure: Figure) -> None:
    drawn = str(charts.svg(figure))
    assert set(re.findall(r"<([a-zA-Z]+)", drawn)) <= {"svg", "g", "path", "rect", "line", "text"}
    assert not re.search(r"https?:|url\(|href|style=|<script|\son\w+=", drawn)
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn))
    assert colours <= {
        "none",
        "transparent",
        *(f"var(--{name})" for name in ("calls", "failed", "expected", "window", "line", "muted")),
    }
    assert "var(--calls)" in colours
    assert len(drawn) < (60_000 if figure is HEAT else 20_000)


def test_description_is_what_a_screen_reader_says() -> None:
    drawn = str(charts.svg(replace(RATE, description='a "quoted" <b>')))
    assert 'role="img" aria-label="a &#34;quoted&#34; &lt;b&gt;"' in drawn


def test_anomaly_is_shaded_between_its_start_and_end() -> None:
    assert str(charts.svg(RATE)).count("var(--window)") == 3
    assert "var(--window)" not in str(charts.svg(replace(RATE, window=None)))


def test_times_are_utc_whatever_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    here = charts.svg(ACTIVITY)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert charts.svg(ACTIVITY) == here
    assert ">11 Nov<" in here


def test_a_single_point_has_a_width() -> None:
    drawn = str(charts.svg(replace(RATE, points=RATE.points[:1], window=None)))
    assert re.search(r'd="M0,[\d.]+L900', drawn)


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_unit_stays_text(unit: str) -> None:
    drawn = str(charts.svg(replace(RATE, unit=unit, description=unit)))
    assert set(re.findall(r"<([a-zA-Z]+)", drawn)) <= {"svg", "g", "path", "rect", "line", "text"}
    assert "<script" not in drawn


def test_cleaning_drops_what_can_act_or_load() -> None:
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        ' viewBox="0 0 9 9" onload="alert(1)"><script>alert(1)</script>'
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>'
        '<style>*{}</style><image xlink:href="http://evil.example/i.png"/>'
        '<a xlink:href="javascript:alert(1)"><text fill="red" onclick="x()">a&lt;b</text></a>'
        '<rect fill="url(#a)" width="1"/><text fill="red" style="x" onclick="x()">kept&lt;</text>'
        "</svg>"
    )
    assert str(charts.cleaned(text, "d")) == (
        '<svg class="chart" viewBox="0 0 9 9" role="img" aria-label="d">'
        '<text fill="red">kept&lt;</text></svg>'
    )


@given(st.lists(st.integers(0, 10**12), max_size=60))
@settings(max_examples=50)
def test_trend_stays_inside_its_box(values: list[int]) -> None:
    drawn = str(charts.trend(values))
    if not any(values):
        assert drawn == ""
        return
    heights = [float(y) for y in re.findall(r"V([\d.]+)", drawn)]
    assert all(2 <= y <= 16 for y in heights)
    assert drawn.count("h2") == len(values)


@pytest.mark.parametrize(
    ("value", "largest", "width"), [(5, 10, "50"), (10, 10, "100"), (1, 3, "33.3")]
)
def test_bar_is_the_share_of_the_largest(value: int, largest: int, width: str) -> None:
    assert f'<rect width="{width}"' in str(charts.bar(value, largest))
