"""Statements whose rows fall apart by date, run for some dates at a time by workers.

`ByDate` runs statements as an `Engine` does. Those of BY_DATE group by date, so that the rows of all
dates are those of each put together; a worker writes its rows into the scratch folder of the run.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics import untrusted
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.spread import MARKS, Spread, midnight, opened
from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake.store import store_from

_PLACES: Final = "address_places"

BY_DATE: Final[Mapping[str, Sequence[str]]] = {
    "features/principal_days": (_PLACES,),
    "features/touched_days": (_PLACES,),
    "features/principal_slices": ("told_principals",),
    "detectors/addresses": (),
    "detectors/attribution": ("told_series",),
    "detectors/evidence": ("told_series",),
    "detectors/first_seen_slices": (_PLACES,),
    "detectors/placed_calls": (_PLACES,),
    "detectors/told_events": ("told_principals",),
}
"""Statements that give each date's rows from the events of that date, marks, and these tables that
the driver has registered."""

_DAY: Final = dt.timedelta(days=1)
_INSTANT: Final = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class ByDate:
    """Runs statements on the driver's session, and those of BY_DATE on workers where there is
    enough to do."""

    spread: Spread

    @classmethod
    def of(cls, context: Context) -> ByDate:
        """Return what runs statements in a run."""
        return cls(Spread.of(context))

    def run(self, name: str, **values: Any) -> pa.Table:
        """Run a shipped statement; see `Engine.run`."""
        store, made = self.spread.store, self._made(name, values)
        if store is None or not made:
            return self.spread.engine.run(name, **values)
        tables = []
        for path in made:
            with store.open_parquet(path) as file:
                tables.append(file.read())
        return pa.concat_tables(tables)

    def keep(self, table: str, name: str, **values: Any) -> None:
        """Run a shipped statement into a temporary table; see `Engine.keep`."""
        engine, store, made = self.spread.engine, self.spread.store, self._made(name, values)
        if store is None or not made:
            engine.keep(table, name, **values)
            return
        files = ", ".join(untrusted.sql_text(store.location(path)) for path in made)
        engine.execute(
            f"create or replace temp table {untrusted.sql_identifier(table)} as "
            f"from read_parquet([{files}], hive_partitioning = false)"
        )

    def _made(self, name: str, values: dict[str, Any]) -> list[str]:
        """The files with a statement's rows, in the order of their dates; none: it is not spread."""
        parts = list(self._parts(name, values)) if name in BY_DATE else []
        made = {one["since"]: one["path"] for one in self.spread.executor.map(rows_part, parts)}
        return [made[since] for since in sorted(made)]

    def _parts(self, name: str, values: dict[str, Any]) -> Iterator[Part]:
        since, until = values["since"], values["until"]
        shift = dt.timedelta(hours=values.get("shift_hours", 0))
        first, last = (since + shift).date(), (until - _INSTANT + shift).date()
        dates = [first + step * _DAY for step in range((last - first).days + 1)]
        parts = self.spread.parts(dates)
        registered = self._registered(BY_DATE[name]) if parts else {}
        for some in parts:
            begin = max(since, midnight(some[0]) - shift)
            end = min(until, midnight(some[-1]) + _DAY - shift)
            yield {
                **self.spread.session(begin.date(), (end - _INSTANT).date(), *MARKS),
                "statement": name,
                "values": {key: v for key, v in values.items() if not isinstance(v, dt.datetime)},
                "times": {
                    key: value.isoformat()
                    for key, value in (values | {"since": begin, "until": end}).items()
                    if isinstance(value, dt.datetime)
                },
                "registered": registered,
            }

    def _registered(self, names: Sequence[str]) -> dict[str, str]:
        """Where workers find what the driver has registered, by name."""
        store = self.spread.store
        if store is None:
            return {}
        found = {}
        for name in names:
            found[name] = f"{self.spread.derived.scratch}{name}-{uuid.uuid4().hex[:12]}.parquet"
            with store.create(found[name], durable=False) as file:
                pq.write_table(self.spread.engine.sql(f"from {name}"), file, compression="zstd")
        return found


def rows_part(part: Part) -> Result:
    """Run a statement for some dates in a row; a worker's task, see `engines.executor`.

    Args:
        part: a session (see `spread`), statement, values, times (further values, as ISO text; since
            and until cut the part), registered (files of tables to register, by name).

    Returns:
        since (as the part has it), path (of the rows, in Parquet), rows (how many).
    """
    store = store_from(part["store"])
    times = {name: dt.datetime.fromisoformat(text) for name, text in part["times"].items()}
    with opened(part) as engine:
        for name, path in part["registered"].items():
            with store.open_parquet(path) as file:
                engine.register(name, file.read())
        rows = engine.run(part["statement"], **part["values"], **times)
    path = f"{part['scratch']}rows-{uuid.uuid4().hex[:12]}.parquet"
    with store.create(path, durable=False) as file:
        pq.write_table(rows, file, compression="zstd", compression_level=1)
    return {"since": part["times"]["since"], "path": path, "rows": rows.num_rows}
