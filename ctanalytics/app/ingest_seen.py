"""What a part's rows tell about their objects: their span of event times, and what was left out."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ctanalytics.lake.decode import Decoded

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NEVER: Final = np.iinfo(np.int64)


@dataclass
class Seen:
    """Facts by object, gathered while a part's rows leave memory."""

    by_rule: Counter[str] = field(default_factory=Counter)
    filtered: Counter[str] = field(default_factory=Counter)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Least and greatest time of each source_object's rows, in microseconds since 1970."""

    def add(self, decoded: Decoded) -> None:
        """Take in rows that were decoded together."""
        self.by_rule.update(decoded.dropped.by_rule)
        self.filtered.update(decoded.dropped.by_object)
        self._add_times(decoded.events, "event_time")
        self.add_items(decoded.config_items)

    def add_items(self, rows: pa.Table) -> None:
        """Take in configuration items."""
        self._add_times(rows, "capture_time")

    def _add_times(self, rows: pa.Table, column: str) -> None:
        for batch in rows.select(["source_object", column]).to_batches():
            self._add_spans(batch["source_object"], batch[column])

    def _add_spans(self, objects: Any, moments: pa.Array) -> None:
        if not len(objects):
            return
        if not pa.types.is_dictionary(objects.type):
            objects = objects.dictionary_encode()
        places = objects.indices.to_numpy()
        # Rows of one object lie together, so a step per object is enough.
        starts = np.concatenate(([0], np.flatnonzero(np.diff(places)) + 1))
        micros = moments.cast(pa.int64())
        least = np.minimum.reduceat(micros.fill_null(_NEVER.max).to_numpy(), starts)
        greatest = np.maximum.reduceat(micros.fill_null(_NEVER.min).to_numpy(), starts)
        names = objects.dictionary.take(pa.array(places[starts])).to_pylist()
        for name, since, until in zip(names, least.tolist(), greatest.tolist(), strict=True):
            known = self.spans.get(name, (since, until))
            self.spans[name] = min(known[0], since), max(known[1], until)

    def note(self, files: list[dict[str, Any]]) -> None:
        """Write what was gathered into the ledger rows of the objects."""
        for row in files:
            name = f"{row['bucket']}/{row['key']}"
            row["records_filtered"] = self.filtered.get(name, 0)
            since, until = self.spans.get(name, (_NEVER.max, _NEVER.min))
            if since <= until:
                row["first_event_time"], row["last_event_time"] = _moment(since), _moment(until)


def _moment(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)
