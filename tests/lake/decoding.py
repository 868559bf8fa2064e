"""Decoding for tests, with the sum that has to hold for every input."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from ctanalytics.lake.decode import Decoded, Decoder, Fault, Limits, Outcome
from tests.logs import START

NOW = START + dt.timedelta(hours=1)


@dataclass(frozen=True)
class Result:
    """One decoded file."""

    outcome: Outcome
    decoded: Decoded

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.decoded.events.to_pylist()

    @property
    def event(self) -> dict[str, Any]:
        (only,) = self.events
        return only

    @property
    def faults(self) -> list[Fault]:
        return self.decoded.faults

    @property
    def reasons(self) -> list[str]:
        return [fault.reason for fault in self.decoded.faults]

    def ids(self) -> list[str | None]:
        """Event ids in the order of the rows."""
        found: list[str | None] = self.decoded.events["event_id"].to_pylist()
        return found


def decode(
    data: bytes,
    key: str = "logs/some.json",
    *,
    limits: Limits | None = None,
    now: dt.datetime = NOW,
) -> Result:
    """Decode one file, and see that every record of it is a row or a fault."""
    decoder = Decoder(now=now, limits=limits or Limits())
    outcome = decoder.add("file", key, data)
    result = Result(outcome, decoder.finish().in_file_order())
    check_sum(result)
    return result


def check_sum(result: Result) -> None:
    found, outcome = result.decoded, result.outcome
    rows = found.events.num_rows + found.insights.num_rows + found.aggregated.num_rows
    set_aside = [fault for fault in found.faults if fault.record is not None]
    assert rows + len(set_aside) == outcome.records
    assert len(set_aside) == outcome.records_quarantined
    assert all(fault.content is not None for fault in set_aside)
    whole = [fault for fault in found.faults if fault.record is None]
    if outcome.state == "quarantined" and not outcome.records:
        assert len(whole) == 1
    if outcome.state in ("ingested", "empty", "skipped"):
        assert not found.faults
    if outcome.state in ("quarantined", "partial"):
        assert found.faults
        assert outcome.reason
