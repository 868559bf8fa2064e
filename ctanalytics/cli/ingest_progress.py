"""How far an ingest is: a bar with rates and time left on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ctanalytics.cli import console

if TYPE_CHECKING:
    from ctanalytics.app.ingest import Progress

LINE_SECONDS: Final = 10.0


@contextmanager
def shown() -> Iterator[Shown]:
    """Show the progress of an ingest for the length of a with block."""
    with console.progress("ingest") as bar:
        yield Shown(bar)


@dataclass
class Shown:
    """Takes what an ingest reports; see `app.ingest`."""

    bar: Any
    _began: float | None = None
    _from: tuple[int, int, int] = (0, 0, 0)
    """Objects, records and bytes when the reading began."""
    _before: int = 0
    _last_line: float = field(default_factory=time.monotonic)

    def __call__(self, at: Progress) -> None:
        """Draw the bar, and now and then write a line where there is none."""
        now = time.monotonic()
        if at.listed or at.objects < self._before:
            self._began = None  # another source, or another pass
        self._before = at.objects
        if at.listed:
            text = f"{at.listed:,} new objects listed"
            self.bar.update(0, text)
            self._line(now, "listing", listed=at.listed)
            return
        if self._began is None:
            self._began, self._from = now, (at.objects, at.records, at.bytes_read)
        rates = self._rates(at, now)
        self.bar.update(at.objects, _text(at, rates), at.objects_total)
        self._line(
            now,
            "ingesting",
            objects=at.objects,
            objects_total=at.objects_total,
            records=at.records,
            bytes_read=at.bytes_read,
            **rates,
        )

    def _rates(self, at: Progress, now: float) -> dict[str, float]:
        """Per second since the reading began, and the seconds that are left."""
        seconds = now - (self._began or now)
        if seconds <= 0:
            return {}
        objects, records, size = self._from
        rates = {
            "objects_per_second": round((at.objects - objects) / seconds, 1),
            "records_per_second": round((at.records - records) / seconds, 1),
            "bytes_per_second": round((at.bytes_read - size) / seconds, 1),
        }
        if at.bytes_total and rates["bytes_per_second"] > 0:
            left = max(0, at.bytes_total - at.bytes_read) / rates["bytes_per_second"]
            rates["seconds_left"] = round(left, 1)
        return rates

    def _line(self, now: float, doing: str, **fields: Any) -> None:
        if not isinstance(self.bar, console.Silent) or now - self._last_line < LINE_SECONDS:
            return
        self._last_line = now
        told = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        as_json = console.shared.log_format == "json"
        console.note(doing if as_json else f"{doing}: {told}", **fields)


def _text(at: Progress, rates: dict[str, float]) -> str:
    of = f" of {at.objects_total:,}" if at.objects_total else ""
    parts = [f"{at.objects:,}{of} objects", f"{at.records:,} records"]
    if rates:
        parts.append(f"{rates['records_per_second']:,.0f}/s")
        parts.append(f"{rates['bytes_per_second'] / 1e6:.1f} MB/s")
    if "seconds_left" in rates:
        parts.append(f"{span(rates['seconds_left'])} left")
    return "  ".join(parts)


def span(seconds: float) -> str:
    """Write a duration as people say it: 45s, 3m 20s, 2h 05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3_600}h {whole % 3_600 // 60:02}m"
