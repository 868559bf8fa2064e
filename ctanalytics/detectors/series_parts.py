"""The state of series made by parts: what `series_state` does for many days, on workers.

A worker counts the events of some dates, or raises the peaks of some days from the state of the
days before them. It writes the files; the driver takes their manifests, and alone commits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics.detectors import logged, series_state
from ctanalytics.detectors.calendars import Calendars
from ctanalytics.detectors.confirmed import Confirmed
from ctanalytics.detectors.expectation import Expecting
from ctanalytics.detectors.series import Axis
from ctanalytics.detectors.series_state import ALL, REACH_DAYS, Days
from ctanalytics.detectors.spread import Spread, heard, midnight, opened
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake import derived
from ctanalytics.lake.derived import NOTHING, written
from ctanalytics.lake.some_rows import Some
from ctanalytics.lake.store import Store, store_from
from ctanalytics.records.series_tables import KEYS
from ctanalytics.settings import Calendar

_COUNTED: Final = ("series_minute", "series_day")
_DAY: Final = dt.timedelta(days=1)
_TIMES: Final = ("started_at", "ended_at")


@dataclass
class SpreadState(series_state.State):
    """The state of series whose whole days are made on workers, where there is enough to do."""

    spread: Spread = field(kw_only=True)

    def _count_whole(self, kind: str, dates: Sequence[dt.date]) -> None:
        chosen = self.spread.parts(dates)
        if not chosen:
            super()._count_whole(kind, dates)
            return
        parts = [
            {
                **self.spread.session(some[0], some[-1]),
                "kind": kind,
                "inputs": {date.isoformat(): self._source(kind, date) for date in some},
                "days": {date.isoformat(): self._day_inputs(kind, date) for date in some},
                "folders": {name: self.derived.folder(name) for name in _COUNTED},
            }
            for some in chosen
        ]
        self._adopt(count_part, parts)

    def _day_inputs(self, kind: str, date: dt.date) -> str:
        made = self.derived.made("series_day", date, kind)
        return made.inputs if made else NOTHING

    def _raise_whole(self, kind: str, days: Days, stale: Mapping[int, str]) -> None:
        blocks = list(series_state.blocks(list(stale), days.keys.count))
        axis = days.axis
        if len(blocks) > 1 and self.spread.parts([axis.date(day) for day in stale]):
            self._raise_blocks(kind, axis, blocks, stale)
        else:
            super()._raise_whole(kind, days, stale)

    def raise_elsewhere(
        self, kind: str, axis: Axis, series: int, first: int, after: int
    ) -> list[int]:
        """As `raise_peaks`, on workers alone, so that the driver need not read the days.

        Args:
            series: about how many there are.

        Returns:
            The days that are not over: their peaks are left out.
        """
        whole, begun = self._stale(kind, axis, first, after)
        self._raise_blocks(kind, axis, list(series_state.blocks(list(whole), series)), whole)
        return begun

    def _raise_blocks(
        self, kind: str, axis: Axis, blocks: Sequence[tuple[int, int]], stale: Mapping[int, str]
    ) -> None:
        store = self.spread.store
        if store is None or not blocks:
            return
        told = self.spread.put(self.told())
        parts = [
            {
                "store": store.spec(),
                "kind": kind,
                "told": told,
                "until": self.until.isoformat(),
                "first": axis.date(first).isoformat(),
                "inputs": [stale[day] for day in range(first, after)],
                "folder": self.derived.folder("series_peak"),
                "files": self._files(kind, axis, first, after),
            }
            for first, after in blocks
        ]
        self._adopt(peaks_part, parts)

    def _adopt(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> None:
        for made in self.spread.executor.map(function, parts):
            for manifest in made["files"]:
                self.derived.adopt(manifest)

    def told(self) -> dict[str, Any]:
        """What people said: calendars, and incidents that teach nothing."""
        return {
            "calendars": msgspec.to_builtins(list(self.calendars.calendars)),
            "units": [[account, *names] for account, names in self.calendars.units.items()],
            "confirmed": [
                {name: _text(value) for name, value in row.items()} for row in self.confirmed.rows
            ],
        }

    def _files(self, kind: str, axis: Axis, first: int, after: int) -> dict[str, dict[str, str]]:
        """Where what the peaks of some days depend on lies: by table and kind, by date."""
        begin = first - REACH_DAYS
        return self.files(
            {
                ("series_minute", kind): axis.dates(first - 2, after),
                ("series_day", kind): axis.dates(begin, after),
                ("series_minute", ALL): axis.dates(begin - logged.REACH_DAYS, after),
            }
        )

    def files(
        self, wanted: Mapping[tuple[str, str], Iterable[dt.date]]
    ) -> dict[str, dict[str, str]]:
        """Return where the state of some dates lies, for `StateFiles`.

        Args:
            wanted: by table and kind.
        """
        return {
            f"{table}/{own}": {
                date.isoformat(): place
                for date in dates
                if (place := self.derived.shared(table, date, own))
            }
            for (table, own), dates in wanted.items()
        }


def count_part(part: Part) -> Result:
    """Count the calls of some dates in a row; a worker's task, see `engines.executor`.

    Args:
        part: a session (see `spread`), kind, inputs (by date: the hash of what it is made from),
            days (by date: from what the lake's series_day is made), folders (by table).

    Returns:
        files: manifests of series_minute and series_day.
    """
    store, kind, inputs = store_from(part["store"]), part["kind"], part["inputs"]
    dates = [dt.date.fromisoformat(date) for date in inputs]
    with opened(part) as engine:
        rows = series_state.counted(engine, kind, midnight(dates[0]), midnight(dates[-1]) + _DAY)
    files: list[dict[str, Any]] = []

    def keep(table: str, date: dt.date, made_from: str, own: pa.Table) -> str:
        files.append(written(store, part["folders"][table], table, date, kind, made_from, own))
        return derived.content_of(files[-1])

    for date, own in series_state.by_date(rows, dates[0], dates[-1]):
        day = date.isoformat()
        made_from = series_state.day_inputs(keep("series_minute", date, inputs[day], own))
        if kind != ALL and part["days"][day] != made_from:
            keep("series_day", date, made_from, series_state.day_table(kind, own))
    return {"files": files}


def peaks_part(part: Part) -> Result:
    """Raise the peaks of some days in a row; a worker's task, see `engines.executor`.

    Args:
        part: store (its spec), kind, told (the file with calendars and confirmed incidents), until
            (ISO text), first (the first day), inputs (of each day: the hash of what it is made
            from), folder, files (of the state before it: by table and kind, by date).

    Returns:
        files: manifests of series_peak.
    """
    store, kind, inputs = store_from(part["store"]), part["kind"], part["inputs"]
    calendars, confirmed = people(heard(store, part["told"], dict[str, Any]))
    start = midnight(dt.date.fromisoformat(part["first"])) - REACH_DAYS * _DAY
    axis, until = Axis(start, REACH_DAYS + len(inputs)), dt.datetime.fromisoformat(part["until"])
    read = StateFiles(store, part["files"]).read
    days = series_state.days_of(read, kind, axis, until, calendars, confirmed)
    made = series_state.peaks_of(
        read, kind, days, Expecting(days.past), REACH_DAYS, axis.days, until
    )
    return {
        "files": [
            written(
                store,
                part["folder"],
                "series_peak",
                axis.date(day),
                kind,
                inputs[day - REACH_DAYS],
                rows,
            )
            for day, rows in made
        ]
    }


@dataclass(frozen=True)
class StateFiles:
    """The state that a part names; of some series alone where it says so."""

    store: Store
    files: Mapping[str, Mapping[str, str]]
    some: Some | None = None

    def read(
        self, table: str, dates: Iterable[dt.date], kind: str
    ) -> Iterator[tuple[dt.date, pa.Table]]:
        """As `Derived.read`."""
        known = self.files[f"{table}/{kind}"]
        for date in sorted(dates):
            if date.isoformat() in known:
                yield date, self._rows(table, known[date.isoformat()], kind)

    def _rows(self, table: str, place: str, kind: str) -> pa.Table:
        if self.some is None:
            return derived.read(self.store, table, place)
        # Of hours of all events, those of the accounts: they tell since when each has logs.
        names = KEYS[:1] if kind == ALL else KEYS
        return derived.read(self.store, table, place, names, self.some)


def people(told: Mapping[str, Any]) -> tuple[Calendars, Confirmed]:
    """The opposite of `SpreadState.told`."""
    units = {account: (name, path) for account, name, path in told["units"]}
    calendars = Calendars(msgspec.convert(told["calendars"], tuple[Calendar, ...]), units)
    rows = [
        {name: _moment(name, value) for name, value in row.items()} for row in told["confirmed"]
    ]
    return calendars, Confirmed(rows)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value


def _moment(name: str, value: Any) -> Any:
    return dt.datetime.fromisoformat(value) if name in _TIMES else value
