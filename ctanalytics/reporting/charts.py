"""Figures drawn as static SVG that is safe inside a page: no script, no link, no style, no font.

Vega-Altair lays the charts out and vl-convert renders them without a browser. Colours are CSS
variables of the page, so that one drawing is right in light, in dark and on paper.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from functools import cache
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

from ctanalytics import untrusted
from ctanalytics.reporting.document import Figure
from ctanalytics.reporting.voice import ENGLISH, Voice

WIDTH = 900
_ELEMENTS = frozenset(("svg", "g", "path", "rect", "line", "text"))
_ATTRIBUTES = frozenset(
    (
        "d",
        "fill",
        "fill-opacity",
        "font-size",
        "font-weight",
        "height",
        "opacity",
        "stroke",
        "stroke-dasharray",
        "stroke-opacity",
        "stroke-width",
        "text-anchor",
        "transform",
        "viewBox",
        "width",
        "x",
        "x2",
        "y",
        "y2",
    )
)
_NOT_IN_TITLES = re.compile(r"[^A-Za-z0-9 ,./%\u3040-\u30ff\u4e00-\u9fff-]")
_LONG_DECIMAL = re.compile(r"(\d+\.\d)\d+")
_SVG = "{http://www.w3.org/2000/svg}"
_OFTEN = {"milliseconds": ".%L", "seconds": ":%S", "minutes": "%H:%M", "hours": "%H:%M"}
_DATES = ("date", "day", "week", "month", "quarter")


def svg(figure: Figure, voice: Voice = ENGLISH) -> Markup:
    """Draw a figure; its description becomes the text that a screen reader says."""
    import vl_convert

    text = vl_convert.vegalite_to_svg(_spec(figure, voice), allowed_base_urls=[])
    return cleaned(text, figure.description)


def cleaned(text: str, description: str) -> Markup:
    """Keep of an SVG only what draws: known elements, known attributes, no reference to anything.

    Raises:
        ValueError: it is no SVG.
    """
    # Our own renderer wrote it, from labels without control characters; nobody else's XML.
    root = ElementTree.fromstring(text)  # noqa: S314 - Vega's drawing, made here
    if root.tag != _SVG + "svg":
        raise ValueError("not an SVG")
    inner = "".join(filter(None, (_element(child) for child in root)))
    box = escape(root.get("viewBox", ""))
    label = escape(untrusted.terminal(description))
    return Markup(  # noqa: S704 - every part is escaped or from the lists above
        f'<svg class="chart" viewBox="{box}" role="img" aria-label="{label}">{inner}</svg>'
    )


def _element(node: ElementTree.Element) -> str:
    name = node.tag.removeprefix(_SVG)
    if name not in _ELEMENTS or node.get("display") == "none" or node.get("opacity") == "0":
        return ""
    kept = {
        key: _short(value)
        for key, value in node.attrib.items()
        if key in _ATTRIBUTES and "url(" not in value
    }
    inner = "".join(filter(None, (_element(child) for child in node)))
    text = escape(node.text or "") if name == "text" else ""
    if not inner and not text and (name in ("g", "text") or _draws_nothing(kept, name)):
        return ""
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in kept.items())
    return f"<{name}{attributes}>{text}{inner}</{name}>"


def _draws_nothing(kept: dict[str, str], name: str) -> bool:
    painted = kept.get("fill", "none") != "none" or kept.get("stroke", "none") != "none"
    return not painted or (name == "path" and not kept.get("d"))


def _short(value: str) -> str:
    return _LONG_DECIMAL.sub(r"\1", value)


def trend(values: Sequence[int], voice: Voice = ENGLISH) -> Markup:
    """Draw counts in equal steps as a small line, in a row of a table."""
    if not values or not any(values):
        return Markup("")
    top = max(values)
    width, height = 2 * len(values), 16
    line = "".join(f"V{height - round(value / top * (height - 2), 1):g}h2" for value in values)
    label = escape(voice.say("figure.trend", least=min(values), most=top))
    return Markup(  # noqa: S704 - numbers and an escaped label
        f'<svg class="trend" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}"><path d="M0 {height}{line}V{height}"/></svg>'
    )


def bar(value: float, largest: float) -> Markup:
    """Draw a value's share of the largest of its column; decoration, the number stands beside."""
    width = round(100 * value / largest, 1) if largest else 0
    return Markup(  # noqa: S704 - numbers alone
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{width:g}" height="8"/></svg>'
    )


def _spec(figure: Figure, voice: Voice) -> dict[str, Any]:
    """The Vega-Lite of a figure: the cached shape of its kind, with its own points."""
    if figure.kind == "heat":
        hours = [(voice.here(start), calls) for start, calls, _ in figure.points]
        days = tuple(dict.fromkeys(_day(here, voice) for here, _ in hours))
        # The hour that a clock is put back comes twice, and counts as one.
        sums: dict[tuple[str, int], float] = {}
        for here, calls in hours:
            key = (_day(here, voice), here.hour)
            sums[key] = sums.get(key, 0) + calls
        cells = [
            {"day": day, "hour": hour, "calls": calls}
            for (day, hour), calls in sums.items()
            if calls
        ]
        return _heat(days) | {"datasets": {"points": cells}}
    # Vega draws in UTC: times are moved to the clock of the zone, by its offset at the chart's end.
    moved = voice.here(figure.points[-1][0]).utcoffset() or dt.timedelta()
    window = (
        [{"start": _ms(figure.window[0] + moved), "end": _ms(figure.window[1] + moved)}]
        if figure.window
        else []
    )
    shape = _series(
        figure.kind,
        # Vega reads backslash escapes in a title, so that text made visible would act again.
        _NOT_IN_TITLES.sub("?", figure.unit[:40]),
        any(second is not None for _, _, second in figure.points),
        bool(window),
        (voice.messages["chart.day"], voice.messages["chart.year"]),
    )
    return shape | {"datasets": {"points": _steps(figure, moved), "window": window}}


def _steps(figure: Figure, moved: dt.timedelta) -> list[dict[str, float | None]]:
    """Rows for a step line; the last value is repeated at its end, or it would have no width."""
    rows: list[dict[str, float | None]] = [
        {"t": _ms(start + moved), "first": one, "second": two} for start, one, two in figure.points
    ]
    return [*rows, rows[-1] | {"t": _ms(figure.points[-1][0] + moved) + figure.step_seconds * 1000}]


def _ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)


def _day(here: dt.datetime, voice: Voice) -> str:
    weekday = voice.messages["chart.weekdays"].split()[here.weekday()]
    return voice.say("chart.row", date=here.strftime(voice.messages["chart.day"]), weekday=weekday)


# Altair checks every chart against Vega-Lite's schema, which takes 0.25 s where drawing takes
# 0.06 s: so a shape is built once, and each figure only brings its points.
@cache
def _series(
    kind: str, unit: str, has_second: bool, has_window: bool, dates: tuple[str, str]
) -> dict[str, Any]:
    import altair as alt

    formats = _OFTEN | dict.fromkeys(_DATES, dates[0]) | {"year": dates[1]}

    x = alt.X(
        "t:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(format=formats, tickCount=8, grid=False, labelOverlap=True),
    )
    y = alt.Y("first:Q", title=unit, axis=alt.Axis(tickCount=4), scale=alt.Scale(domainMin=0))
    base = alt.Chart(alt.NamedData("points")).encode(x=x)
    layers: list[Any] = _window() if has_window else []
    if kind == "rate":
        layers += [
            base.mark_area(interpolate="step-after", color="var(--calls)", opacity=0.35).encode(
                y=y
            ),
            base.mark_line(interpolate="step-after", color="var(--calls)", strokeWidth=1.5).encode(
                y="first:Q"
            ),
        ]
        if has_second:
            layers.append(
                base.mark_line(
                    interpolate="step-after",
                    color="var(--expected)",
                    strokeDash=[5, 3],
                    strokeWidth=1.5,
                ).encode(y="second:Q")
            )
    else:
        layers += [
            base.mark_area(interpolate="step-after", color="var(--calls)", opacity=0.55).encode(
                y=y
            ),
            base.mark_area(interpolate="step-after", color="var(--failed)", opacity=0.9).encode(
                y="second:Q"
            ),
        ]
    return _finished(alt.layer(*layers), height=150)


def _window() -> list[Any]:
    import altair as alt

    span = alt.Chart(alt.NamedData("window"))
    scale = alt.Scale(type="utc")
    edge = span.mark_rule(color="var(--window)", strokeWidth=1, opacity=0.9)
    return [
        span.mark_rect(color="var(--window)", opacity=0.16).encode(
            x=alt.X("start:T", scale=scale), x2="end:T"
        ),
        edge.encode(x=alt.X("start:T", scale=scale)),
        edge.encode(x=alt.X("end:T", scale=scale)),
    ]


@cache
def _heat(days: tuple[str, ...]) -> dict[str, Any]:
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_rect(color="var(--calls)", cornerRadius=2)
        .encode(
            x=alt.X(
                "hour:O",
                title=None,
                scale=alt.Scale(domain=list(range(24)), paddingInner=0.06),
                axis=alt.Axis(
                    labelAngle=0, labelExpr="(datum.value < 10 ? '0' : '') + datum.value"
                ),
            ),
            y=alt.Y("day:O", title=None, scale=alt.Scale(domain=list(days), paddingInner=0.1)),
            fillOpacity=alt.FillOpacity(
                "calls:Q", scale=alt.Scale(type="sqrt", range=[0.08, 1]), legend=None
            ),
        )
    )
    return _finished(chart, height=15 * len(days))


def _finished(chart: Any, *, height: int) -> dict[str, Any]:
    spec: dict[str, Any] = (
        chart.properties(width=WIDTH, height=height)
        .configure(background="transparent", font="sans-serif", padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)",
            titleColor="var(--muted)",
            titleFontWeight="normal",
            gridColor="var(--line)",
            domainColor="var(--line)",
            tickColor="var(--line)",
            labelFontSize=11,
            titleFontSize=11,
        )
        .to_dict()
    )
    return spec
