"""Decoding for tests, with the sum that has to hold for every input."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from ctanalytics.lake.decode import Decoded, Decoder, Fault, Limits, Outcome
from ctanalytics.records import schema
from tests.logs import ACCOUNT, START, event_id

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
    tables = (found.events, found.insights, found.aggregated, found.config_items)
    rows = sum(table.num_rows for table in tables)
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


DUCKDB = duckdb.connect()

INSIGHT = {
    "eventVersion": "1.09",
    "eventTime": "2026-03-01T08:13:00Z",
    "awsRegion": "eu-west-1",
    "eventID": event_id(900),
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": ACCOUNT,
    "sharedEventID": event_id(901),
    "insightDetails": {
        "state": "End",
        "eventSource": "ssm.amazonaws.com",
        "eventName": "UpdateInstanceInformation",
        "insightType": "ApiErrorRateInsight",
        "errorCode": "AccessDenied",
        "insightContext": {
            "statistics": {
                "baseline": {"average": 1.742857142},
                "insight": {"average": 15},
                "insightDuration": 7,
                "baselineDuration": 10080,
            }
        },
    },
    "eventCategory": "Insight",
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)

field_names = st.sampled_from(
    [
        "eventTime",
        "readOnly",
        "managementEvent",
        "userIdentity",
        "tlsDetails",
        "insightDetails",
        "sessionCredentialFromConsole",
        "eventId",
        "accountId",
        "unfit",
        "sha256",
        "extra_0",
        *schema.STRING_FIELDS,
        *schema.JSON_FIELDS,
    ]
) | st.text(max_size=12)

odd_records = st.dictionaries(field_names, json_values, max_size=8).map(
    lambda found: {"eventName": "X", "eventVersion": "1.08"} | found
)


def all_valid_json(events: pa.Table) -> bool:
    """Whether DuckDB can read all JSON text: one row that it can't would end a user's query."""
    if not events.num_rows:
        return True
    columns = [*schema.JSON_FIELDS.values(), "user_identity", "unknown_fields"]
    tests = " and ".join(f"coalesce(json_valid({column}), true)" for column in columns)
    DUCKDB.register("rows", events)
    ((valid,),) = DUCKDB.sql(f"select coalesce(bool_and({tests}), true) from rows").fetchall()
    return bool(valid)
