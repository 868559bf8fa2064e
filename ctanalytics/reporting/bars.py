"""Calls over time as static SVG: bars of numbers alone, failed calls in front of all calls."""

from __future__ import annotations

import datetime as dt
from typing import Final

from markupsafe import Markup, escape

from ctanalytics.reporting.document import Figure
from ctanalytics.reporting.series import clock, number

_WIDTH: Final = 900
_LEFT: Final = 46
_HEIGHT: Final = 120
_BELOW: Final = 20
_LABELS: Final = 5
_DAY: Final = 86_400


def bars(figure: Figure) -> Markup:
    """Draw a figure of activity; its description becomes the text that a screen reader says."""
    if not figure.points:
        return Markup("")
    top = max(max(calls for _, calls, _ in figure.points), 1)
    width = (_WIDTH - _LEFT) / len(figure.points)
    drawn = "".join(
        _bar(_LEFT + place * width, width, calls, failed or 0, top)
        for place, (_, calls, failed) in enumerate(figure.points)
        if calls
    )
    label = escape(figure.description)
    height = _HEIGHT + _BELOW
    return Markup(  # noqa: S704 - numbers, times and an escaped sentence of ours
        f'<svg class="bars" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f'<text x="{_LEFT - 6}" y="10" text-anchor="end">{number(top)}</text>'
        f'<text x="{_LEFT - 6}" y="{_HEIGHT}" text-anchor="end">0</text>'
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>'
        f"{drawn}{_times(figure)}</svg>"
    )


def _bar(left: float, width: float, calls: float, failed: float, top: float) -> str:
    # A single call must still be seen beside a thousand.
    tall = max(calls / top * (_HEIGHT - 4), 1.5)
    low = failed / calls * tall
    wide = max(width * 0.9, 1)
    all_calls = f'<rect class="calls" x="{left:.1f}" y="{_HEIGHT - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>'
    if not failed:
        return all_calls
    return (
        f'{all_calls}<rect class="failed" x="{left:.1f}" y="{_HEIGHT - low:.1f}" '
        f'width="{wide:.1f}" height="{low:.1f}"/>'
    )


def _when(figure: Figure, place: int) -> str:
    start = figure.points[place][0].astimezone(dt.UTC)
    return f"{start:%Y-%m-%d}" if figure.step_seconds >= _DAY else clock(start)


def _times(figure: Figure) -> str:
    """The start, the end, and what lies between in equal steps."""
    last = len(figure.points) - 1
    places = sorted({round(last * part / (_LABELS - 1)) for part in range(_LABELS)})
    found = []
    for place in places:
        x = _LEFT + (_WIDTH - _LEFT) * place / max(last, 1)
        anchor = "start" if place == 0 else "end" if place == last else "middle"
        found.append(
            f'<text x="{x:.1f}" y="{_HEIGHT + 15}" text-anchor="{anchor}">'
            f"{_when(figure, place)}</text>"
        )
    return "".join(found)
