"""Collects configuration items of many files and turns them into the table `config_items`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics.lake import json_text
from ctanalytics.lake.drop import Dropped
from ctanalytics.lake.event_rows import Origin
from ctanalytics.lake.redact_records import PATHS_SEPARATOR
from ctanalytics.lake.treatment import FORGOTTEN_RULE, Treatment
from ctanalytics.records import config_item
from ctanalytics.records.config_item import CONFIG_ITEMS, ItemFault

_CHUNK: Final = 2_000
_CHUNK_BYTES: Final = 8 * 1024 * 1024
_CHANNEL: Final = re.compile(
    r"(?:^|/|_)(ConfigHistory|ConfigSnapshot|\w*ChangeNotification)(?:/|_)"
)
_CHANNELS: Final = {"ConfigHistory": "history", "ConfigSnapshot": "snapshot"}

Spill = Callable[[pa.Table], None]


@dataclass
class ConfigRows:
    """Items in, Arrow tables out.

    Args:
        spill: is given rows when they have grown to `spill_bytes`, so that a snapshot of any size
            leaves memory; none: they stay.
    """

    treatment: Treatment
    plan_id: int = 0
    spill: Spill | None = None
    spill_bytes: int = 32 * 1024 * 1024
    dropped: Dropped = field(default_factory=Dropped)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _text_bytes: int = 0
    _chunks: list[pa.Table] = field(default_factory=list)
    _chunk_bytes: int = 0

    def take(self, origin: Origin, place: int, text: bytes) -> ItemFault | None:
        """Keep one item; returns why it can't be a row."""
        row = self._read(origin, text)
        if isinstance(row, ItemFault):
            return row
        row |= {"source_object": origin.name, "source_row": place}
        row |= {"plan_id": self.plan_id, "delivered_by": channel(origin.key)}
        self._rows.append(row)
        self._text_bytes += len(text)
        if len(self._rows) >= _CHUNK or self._text_bytes >= _CHUNK_BYTES:
            self._flush()
        return None

    def table(self) -> pa.Table:
        """Hand out all rows that were not spilled."""
        self._flush(last=True)
        made = pa.concat_tables([CONFIG_ITEMS.empty_table(), *self._chunks])
        self._chunks, self._chunk_bytes = [], 0
        return made

    def _read(self, origin: Origin, text: bytes) -> dict[str, Any] | ItemFault:
        try:
            text.decode("utf-8")
            plain = config_item.spelled_out(json_text.mended(text))
        except UnicodeDecodeError as error:
            return ItemFault("not_utf8", str(error))
        except (msgspec.DecodeError, RecursionError) as error:
            return ItemFault("not_json", str(error))
        told = (origin.parsed.account_id, origin.parsed.aws_region)
        row = config_item.read(plain, *told)
        if isinstance(row, ItemFault):
            return row
        own = config_item.identity(row)
        hidden = self.treatment.hidden(plain)
        if hidden is None:
            return ItemFault("not_json", "what has to be hidden in it can't be found")
        shown, masked = hidden
        if masked:
            row = config_item.read(shown, *told)
            if isinstance(row, ItemFault):
                return ItemFault("not_config_item", "what is hidden in it is what names it")
        row["masked_paths"] = PATHS_SEPARATOR.join(masked) or None
        names = ("item_id", "state_hash", "relationships_hash")
        return row | {name: getattr(own, name) for name in names}

    def _flush(self, *, last: bool = False) -> None:
        if self._rows:
            rows = pa.Table.from_pylist(self._rows, CONFIG_ITEMS)
            self._rows, self._text_bytes = [], 0
            kept, gone = self.treatment.forget(rows)
            if gone:
                self.dropped.by_object += gone
                self.dropped.by_rule[FORGOTTEN_RULE] += gone.total()
            self._chunks.append(kept)
            self._chunk_bytes += kept.nbytes
        if self.spill is not None and not last and self._chunk_bytes >= self.spill_bytes:
            self.spill(pa.concat_tables(self._chunks))
            self._chunks, self._chunk_bytes = [], 0


def channel(key: str) -> str:
    """Tell by an object's key how Config delivered it: history, snapshot, notification or other."""
    found = _CHANNEL.findall(key)
    return _CHANNELS.get(found[-1], "notification") if found else "other"
