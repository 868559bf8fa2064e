"""Rates judged by parts: a worker reads the state of some series, and alone looks at their minutes.

A part is a block of series in the order of their keys. What its days show by themselves goes to the
driver, which puts all blocks together: pools, thresholds and the budget are of all series. Then a
second part of each block in which something stands out looks at the minutes of these series. What is
done to a series is done to it alone, so that no number tells where blocks begin and end.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from ctanalytics.detectors import (
    fewer,
    history,
    logged,
    rate_shown,
    series_blocks,
    series_state,
    surges,
)
from ctanalytics.detectors.base import Context, Window
from ctanalytics.detectors.calibration import Tail, Tails
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.expectation import Expecting
from ctanalytics.detectors.history import AXIS_DAYS, PEAK_DAYS, History
from ctanalytics.detectors.rate_series import Api, Charts, Found, Here, RateSeries
from ctanalytics.detectors.series import Axis, Bools, Floats, Ints
from ctanalytics.detectors.series_blocks import Among, Between, blocks
from ctanalytics.detectors.series_parts import SpreadState, StateFiles, people
from ctanalytics.detectors.series_state import ALL
from ctanalytics.detectors.spread import carried, heard, midnight
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.detectors.surges import Judged
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake.some_rows import Some
from ctanalytics.lake.store import Store, store_from

_NAMES: Final = {"surge": Surge, "stop": Stop, "drop": Drop}
_TOLD: Final = pa.schema(
    [("kind", pa.string()), ("found", pa.binary()), ("api", pa.binary()), ("rate", pa.binary())]
)


def series(context: Context, window: Window, kind: str, *, with_fewer: bool = True) -> RateSeries:
    """Bring the state of a kind of series up to date for a window, ready to be judged: here, or on
    workers where there are many series.

    Args:
        with_fewer: stops and drops will be asked for.
    """
    state, axis = history.state_of(context, window), history.axis_of(window)
    state.count_all(kind, axis)
    cuts = blocks(state, kind, axis)
    if not cuts:
        return Here(history.brought(state, window, kind))
    return _shown(state, kind, axis, cuts, with_fewer=with_fewer)


def _shown(
    state: SpreadState, kind: str, axis: Axis, cuts: Sequence[Between], *, with_fewer: bool
) -> Elsewhere:
    """Let workers see what the days of blocks of series show."""
    store, spread = state.spread.store, state.spread
    if store is None:
        raise ValueError("there is no lake whose files a worker could read")
    peaks = (AXIS_DAYS - PEAK_DAYS, axis.days)
    about = len(cuts) * series_blocks.MOST_SERIES
    begun = state.raise_elsewhere(kind, axis, about, *peaks)
    told = {
        "kind": kind,
        "until": state.until.isoformat(),
        "start": axis.date(0).isoformat(),
        "days": axis.days,
        "begun": begun,
        "people": state.told(),
        "files": state.files(
            {
                ("series_day", kind): axis.dates(0, axis.days),
                ("series_peak", kind): [
                    axis.date(day) for day in range(*peaks) if day not in begun
                ],
                ("series_minute", kind): axis.dates(AXIS_DAYS - 2, axis.days),
                ("series_minute", ALL): axis.dates(-logged.REACH_DAYS, axis.days),
            }
        ),
    }
    part = {"store": store.spec(), "scratch": state.derived.scratch, "told": spread.put(told)}
    parts = [
        part | {"number": number, "with_fewer": with_fewer, **block.part()}
        for number, block in enumerate(cuts)
    ]
    made = {one["number"]: one["path"] for one in spread.executor.map(show_part, parts)}
    paths = [made[number] for number in range(len(cuts))]
    shown = rate_shown.Blocks(store, paths, axis.days - AXIS_DAYS, AXIS_DAYS, with_fewer)
    return Elsewhere(state, axis, part, shown)


def show_part(part: Part) -> Result:
    """See what the days of a block of series show; a worker's task, see `engines.executor`.

    Args:
        part: store (its spec), scratch (a folder of the lake), told (the file with what all parts
            need: see `_history`), number (of the block), first and after (its bounds: see
            `series_blocks.Between`), with_fewer (whether stops and drops are asked for).

    Returns:
        number, path (of what they show: see `rate_shown`).
    """
    store = store_from(part["store"])
    here = Here(_history(store, part["told"], Between.of(part)))
    path = f"{part['scratch']}shown-{uuid.uuid4().hex[:12]}.parquet"
    rate_shown.write(store, path, here, with_fewer=part["with_fewer"])
    return {"number": part["number"], "path": path}


def find_part(part: Part) -> Result:
    """Look at the minutes of series that stand out; a worker's task, see `engines.executor`.

    Args:
        part: store, scratch and told as for `show_part`, number (of the block), shown (the file of
            the block), chosen (places of series in it), asked (the file with `_Asked`).

    Returns:
        number, and rows (see `spread.carried`) of what was found, with keys and rates.
    """
    store = store_from(part["store"])
    asked, chosen = heard(store, part["asked"], _Asked), np.array(part["chosen"], np.int64)
    among = Among.of(rate_shown.keys(store, part["shown"], chosen))
    here = Here(_history(store, part["told"], among), asked.told())
    found, less = here.some(
        np.array(asked.up), None if asked.down is None else np.array(asked.down)
    )
    charts = Charts(here.history)
    rows = [
        {
            "kind": name,
            "found": msgspec.json.encode(one),
            "api": msgspec.json.encode(here.api(one.series)),
            "rate": msgspec.json.encode(charts.rate(one.series, one.start, one.end)),
        }
        for name, some in (("surge", found), ("stop", less.silent), ("drop", less.slow))
        for one in some
    ]
    return {"number": part["number"], **carried(part, pa.Table.from_pylist(rows, _TOLD))}


def _history(store: Store, path: str, some: Some) -> History:
    """The history of some series.

    Args:
        path: of kind, until (ISO text), start (the first date), days (of the axis), begun (days that
            are not over, and have no peaks yet), people (what they said: see `SpreadState.told`),
            files (of the state: by table and kind, by date).
    """
    told = heard(store, path, dict[str, Any])
    kind, until = told["kind"], dt.datetime.fromisoformat(told["until"])
    axis = Axis(midnight(dt.date.fromisoformat(told["start"])), told["days"])
    read = StateFiles(store, told["files"], some).read
    days = series_state.days_of(read, kind, axis, until, *people(told["people"]))
    peaks = [*read("series_peak", axis.dates(AXIS_DAYS - PEAK_DAYS, axis.days), kind)]
    for day in told["begun"]:
        made = series_state.peaks_of(read, kind, days, Expecting(days.past), day, day + 1, until)
        peaks += [(axis.date(one), rows) for one, rows in made]
    return history.of_days(read, kind, days, peaks, until)


class _Asked(msgspec.Struct, frozen=True):
    """What workers need to look for what stands out, besides the series themselves."""

    up: list[float]
    """By day to judge, the score of a surge that fires."""
    down: list[float] | None
    """That of a stop or drop; None: none is looked for."""
    shifts: list[float]
    tails: list[tuple[int, int, list[tuple[int, int, Tail | None]]]]
    """Window, day, and what its strata are judged by: level, stratum, tail."""
    stops: list[tuple[int, Tail]]
    """Day, and what it is judged by."""
    drops: list[tuple[int, int, Tail]]
    """Place of the window, day, and what it is judged by."""

    def told(self) -> tuple[surges.Told, fewer.Told]:
        """Return what all series tell."""
        tails = {
            (window, day): Tails({(level, stratum): tail for level, stratum, tail in strata})
            for window, day, strata in self.tails
        }
        by_window = {(place, day): tail for place, day, tail in self.drops}
        return surges.Told(tails, np.array(self.shifts)), fewer.Told(dict(self.stops), by_window)


@dataclass
class Elsewhere:
    """Series whose state is read by workers: `RateSeries`."""

    state: SpreadState
    axis: Axis
    part: Part
    """What parts of all blocks have."""
    shown: rate_shown.Blocks
    _apis: dict[int, Api] = field(default_factory=dict)
    _rates: dict[tuple[int, int, int], dict[str, Any]] = field(default_factory=dict)

    @property
    def first_day(self) -> int:
        """As `Judging`."""
        return self.shown.first_day

    @property
    def end_minute(self) -> int:
        """As `Judging`."""
        return self.axis.minute(self.state.until)

    def active(self, day: int) -> int:
        """As `Judging`."""
        return max(int(self.shown.total("called")[day - self.first_day]), 1)

    @property
    def count(self) -> int:
        """As `RateSeries`."""
        return int(self.shown.starts[-1])

    @property
    def holes(self) -> Sequence[tuple[str | None, str | None, int, int]]:
        """As `RateSeries`."""
        return self.shown.holes

    @property
    def first_days(self) -> Mapping[str | None, int]:
        """As `RateSeries`."""
        return self.shown.first_days

    @cached_property
    def judged(self) -> Judged:
        """As `RateSeries`."""
        return surges.score(self, self.shown.surges())

    @property
    def looks_down(self) -> Ints:
        """As `RateSeries`."""
        return self.shown.total("looks_down")

    @property
    def could(self) -> Bools:
        """As `RateSeries`."""
        return self.shown.could

    def find(self, up: Floats, down: Floats | None) -> Found:
        """As `RateSeries`."""
        chosen, told = self.judged.over(up), fewer.Told({}, {})
        if down is not None:
            fires, told = self.shown.fewer().over(down, self.first_day)
            chosen |= fires
        numbers = np.flatnonzero(chosen & self.could)
        asked = self.state.spread.put(self._asked(up, down, told)) if len(numbers) else ""
        parts = [
            self.part
            | {
                "number": block,
                "shown": self.shown.paths[block],
                "chosen": places.tolist(),
                "asked": asked,
            }
            for block, places in self.shown.by_block(numbers)
        ]
        found = self._found(parts)
        less = fewer.Found(found["stop"], found["drop"])
        alone, gaps = fewer.apart(less, self._place, self.shown.steady)
        return Found(found["surge"], alone, gaps)

    def _asked(self, up: Floats, down: Floats | None, told: fewer.Told) -> _Asked:
        return _Asked(
            up=up.tolist(),
            down=None if down is None else down.tolist(),
            shifts=self.judged.shifts.tolist(),
            tails=[(*key, strata) for key, strata in self.judged.tails.items()],
            stops=list(told.silent.items()),
            drops=[(*key, tail) for key, tail in told.slow.items()],
        )

    def _found(self, parts: Sequence[Part]) -> dict[str, list[Any]]:
        """What workers find in blocks, in the order of the series."""
        spread, chosen = self.state.spread, {part["number"]: part["chosen"] for part in parts}
        made = {one["number"]: spread.taken(one) for one in spread.executor.map(find_part, parts)}
        found: dict[str, list[Any]] = {name: [] for name in _NAMES}
        for block in sorted(made):
            rows = made[block]
            for row in rows.to_pylist() if rows is not None else ():
                one: Any = msgspec.json.decode(row["found"], type=_NAMES[row["kind"]])
                number = int(self.shown.starts[block]) + chosen[block][one.series]
                self._apis[number] = msgspec.json.decode(row["api"], type=Api)
                rate = msgspec.json.decode(row["rate"])
                self._rates[number, one.start, one.end] = rate
                found[row["kind"]].append(replace(one, series=number))
        return found

    def _place(self, number: int) -> tuple[str | None, ...]:
        who = self._apis[number]
        return who.account_id, who.aws_region

    def api(self, number: int) -> Api:
        """As `RateSeries`."""
        return self._apis[number]

    def rate(self, number: int, start: int, end: int) -> dict[str, Any]:
        """As `RateSeries`."""
        return self._rates[number, start, end]

    def named(self, numbers: Ints) -> pa.Table:
        """As `RateSeries`."""
        return self.shown.named(numbers)

    def most(self, numbers: Ints, day: int) -> Ints:
        """As `RateSeries`."""
        return self.shown.most(numbers, day - self.first_day)
