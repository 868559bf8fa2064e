"""What the days of a block of series show, as a file: written by a worker, put together by the driver."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.detectors import drops, fewer, stops, surges
from ctanalytics.detectors.own_record import Deviations
from ctanalytics.detectors.rate_series import Here, could_page, most_calls
from ctanalytics.detectors.series import POOL_DAYS, SURGE_WINDOWS, Bools, Floats, Ints
from ctanalytics.detectors.stops_together import Place
from ctanalytics.lake.store import Store
from ctanalytics.records.series_tables import KEYS

_FACTS: Final = b"ctanalytics.facts"
_KEYS: Final = pa.schema([(name, pa.string()) for name in KEYS])
_GROUP_ROWS: Final = 1 << 16

Values = npt.NDArray[Any]


def write(store: Store, path: str, here: Here, *, with_fewer: bool) -> None:
    """Write what the days of some series show: their keys, bytes of arrays, and what adds up."""
    keys = here.history.keys.frame.select(KEYS).to_arrow().cast(_KEYS)
    arrays = {**_surges(here), **(_fewer(here.less.shown()) if with_fewer else {})}
    table = pa.table(
        {name: keys[name] for name in KEYS} | {name: _bytes(one) for name, one in arrays.items()}
    )
    facts = json.dumps(_facts(here, with_fewer=with_fewer)).encode()
    with store.create(path, durable=False) as file:
        pq.write_table(
            table.replace_schema_metadata({_FACTS: facts}),
            file,
            compression="zstd",
            compression_level=1,
            use_dictionary=list(KEYS),
            write_statistics=False,
            row_group_size=_GROUP_ROWS,
        )


def _surges(here: Here) -> dict[str, Values]:
    history, shown = here.history, surges.Shown.of(here.history)
    judged = range(history.first_day, history.axis.days)
    return {
        "could": could_page(history.keys.frame.select(KEYS).to_arrow())[:, None],
        "young": shown.young,
        "strata": np.stack(shown.strata, axis=1),
        "unlearned": history.unlearned[:, history.first_day - POOL_DAYS :],
        **{f"u_{window}": own.u for window, own in shown.own.items()},
        **{f"held_{window}": own.held for window, own in shown.own.items()},
        **{f"most_{step}": most_calls(history, day).T for step, day in enumerate(judged)},
    }


def _fewer(shown: fewer.Shown) -> dict[str, Values]:
    by_window = {f"drop_{one.window}": one.u for one in shown.slow}
    return {"silent": shown.silent.normal, "seen": shown.silent.seen, **by_window}


def _facts(here: Here, *, with_fewer: bool) -> dict[str, Any]:
    days = range(here.first_day, here.axis.days)
    less = here.less if with_fewer else None
    return {
        "called": [here.history.called(day) for day in days],
        "holes": list(here.holes),
        "first_days": list(here.first_days.items()),
        "looks_down": less.looks.tolist() if less else [0] * len(days),
        "steady": list(less.steady.items()) if less else [],
    }


def _bytes(values: Values) -> pa.Array:
    """The rows of an array as so many bytes each: they are copied and not decoded."""
    whole = np.ascontiguousarray(values)
    width = pa.binary(whole.shape[1] * whole.itemsize)
    return pa.Array.from_buffers(width, len(whole), [None, pa.py_buffer(whole)])


@dataclass(frozen=True)
class Blocks:
    """Files of all blocks of a kind of series, in the order of the blocks."""

    store: Store
    paths: Sequence[str]
    days: int
    """To judge."""
    first_day: int
    with_fewer: bool

    @cached_property
    def _facts(self) -> list[tuple[int, dict[str, Any]]]:
        """By block, how many series it has, and what adds up."""
        found = []
        for path in self.paths:
            with self.store.open_parquet(path) as file:
                facts = json.loads(file.schema_arrow.metadata[_FACTS])
                found.append((file.metadata.num_rows, facts))
        return found

    @cached_property
    def starts(self) -> Ints:
        """The number of the first series of each block, and how many there are."""
        counts = [0, *(count for count, _ in self._facts)]
        return np.cumsum(np.array(counts, np.int64))

    def total(self, name: str) -> Ints:
        """Return a fact of each day to judge, added up."""
        found: Ints = np.array([facts[name] for _, facts in self._facts], np.int64).sum(axis=0)
        return found

    @property
    def holes(self) -> list[tuple[str | None, str | None, int, int]]:
        """As `logged.Logged`; two blocks that share an account both know of its holes."""
        return list(dict.fromkeys(tuple(one) for _, facts in self._facts for one in facts["holes"]))

    @property
    def first_days(self) -> dict[str | None, int]:
        """As `logged.Logged`."""
        return {account: day for _, facts in self._facts for account, day in facts["first_days"]}

    @property
    def steady(self) -> dict[Place, int]:
        """As `fewer.Shown`."""
        found: Counter[Place] = Counter()
        for _, facts in self._facts:
            found.update({tuple(place): count for place, count in facts["steady"]})
        return found

    @cached_property
    def _arrays(self) -> dict[str, Values]:
        """Of all series, what pools and thresholds need."""
        wide, width, count = POOL_DAYS + self.days, self.days, int(self.starts[-1])
        found: dict[str, Values] = {
            "could": np.empty((count, 1), np.bool_),
            "young": np.empty((count, width), np.bool_),
            "strata": np.empty((count, width), np.int8),
            "unlearned": np.empty((count, wide), np.bool_),
            **{f"u_{window}": np.empty((count, wide)) for window in SURGE_WINDOWS},
            **{f"held_{window}": np.empty((count, wide)) for window in SURGE_WINDOWS},
        }
        if self.with_fewer:
            found |= {"silent": np.empty((count, wide)), "seen": np.empty((count, width))}
            found |= {f"drop_{window}": np.empty((count, wide)) for window in drops.WINDOWS}
        for path, start in zip(self.paths, self.starts.tolist(), strict=False):
            with self.store.open_parquet(path) as file:
                at = start
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group, list(found), use_threads=False)
                    for name, into in found.items():
                        into[at : at + rows.num_rows] = _read(rows[name], into.dtype)
                    at += rows.num_rows
        return found

    @property
    def could(self) -> Bools:
        """As `RateSeries`."""
        return self._arrays["could"][:, 0]

    def surges(self) -> surges.Shown:
        """Return what all series show upwards."""
        arrays, first = self._arrays, self.first_day - POOL_DAYS
        own = {
            window: Deviations(
                first, u := arrays[f"u_{window}"], self._learned(u), arrays[f"held_{window}"]
            )
            for window in SURGE_WINDOWS
        }
        return surges.Shown(own, list(arrays["strata"].T), arrays["young"])

    def fewer(self) -> fewer.Shown:
        """Return what all series show downwards."""
        arrays, first = self._arrays, self.first_day - POOL_DAYS
        by_window = [
            drops.Shown(window, first, u := arrays[f"drop_{window}"], self._learned(u))
            for window in drops.WINDOWS
        ]
        silent = stops.Shown(first, arrays["silent"], arrays["seen"])
        return fewer.Shown(self.total("looks_down"), self.steady, silent, by_window)

    def _learned(self, values: Floats) -> Floats:
        return np.where(self._arrays["unlearned"], np.nan, values)

    def by_block(self, numbers: Ints) -> Iterator[tuple[int, Ints]]:
        """Yield the blocks that have some series (ascending), and these series' places in each."""
        block = np.searchsorted(self.starts, numbers, side="right") - 1
        for one in np.unique(block).tolist():
            yield one, numbers[block == one] - self.starts[one]

    def named(self, numbers: Ints) -> pa.Table:
        """As `RateSeries`."""
        order = np.argsort(numbers, kind="stable")
        found = [_KEYS.empty_table()]
        for block, places in self.by_block(numbers[order]):
            found.append(keys(self.store, self.paths[block], places))
        return pa.concat_tables(found).take(pa.array(np.argsort(order)))

    def most(self, numbers: Ints, step: int) -> Ints:
        """As `RateSeries`, of the day so many after the first to judge."""
        order = np.argsort(numbers, kind="stable")
        found = [np.zeros((0, len(SURGE_WINDOWS)), np.int64)]
        for block, places in self.by_block(numbers[order]):
            with self.store.open_parquet(self.paths[block]) as file:
                rows = file.read([f"most_{step}"], use_threads=False)[f"most_{step}"]
            found.append(_read(rows, np.dtype(np.int64))[places])
        return np.concatenate(found)[np.argsort(order)].T


def keys(store: Store, path: str, places: Ints) -> pa.Table:
    """Return the keys of some series of a block."""
    with store.open_parquet(path) as file:
        return file.read(list(KEYS), use_threads=False).take(pa.array(places))


def _read(column: pa.ChunkedArray, kind: np.dtype[Any]) -> Values:
    """The opposite of `_bytes`."""
    whole = column.combine_chunks()
    width = whole.type.byte_width
    data = whole.buffers()[1]
    items = width // kind.itemsize
    if data is None:
        return np.zeros((0, items), kind)
    flat = np.frombuffer(data, kind, len(whole) * items, whole.offset * width)
    return flat.reshape(len(whole), items)
