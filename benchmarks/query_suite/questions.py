"""The questions, in the lake's words and over the peers' layouts of the same events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Question:
    """SQL over a relation {events} with event_date, and the bar in seconds."""

    name: str
    sql: str
    bar: float


def questions(day: str, principal: str) -> tuple[Question, ...]:
    """Return what people ask of one day, and of all events."""
    on = f"event_date = date '{day}'"
    hour = (
        f"event_time >= timestamptz '{day} 10:00:00+00' "
        f"and event_time < timestamptz '{day} 11:00:00+00'"
    )
    return (
        Question(
            "a principal's day",
            "select event_time, event_source, event_name, error_code, source_ip_address, event_id "
            f"from {{events}} where {on} and principal_arn = '{principal}' order by event_time",
            0.3,
        ),
        Question(
            "one hour, by API",
            "select event_source, event_name, count(*) from {events} "
            f"where {on} and {hour} group by all",
            0.2,
        ),
        Question(
            "all events, by API",
            "select event_source, event_name, count(*) from {events} group by all",
            2.0,
        ),
    )


def of_key(key: str) -> str:
    """Return what an investigation of a key begins with: all its calls, whole."""
    return f"select * from {{events}} where access_key_id = '{key}' order by event_time"


_RECORD: Final = (
    "STRUCT(eventTime VARCHAR, eventSource VARCHAR, eventName VARCHAR, errorCode VARCHAR, "
    "sourceIPAddress VARCHAR, eventID VARCHAR, userIdentity STRUCT(arn VARCHAR, accessKeyId VARCHAR, "
    "sessionContext STRUCT(sessionIssuer STRUCT(arn VARCHAR))))[]"
)


def raw(logs: Path, object_bytes: int) -> str:
    """Return the events of gzipped log files as a relation, as a person would write it.

    Args:
        object_bytes: the largest file's size, uncompressed: DuckDB takes a buffer of that for each.
    """
    return f"""(
    select
        record.eventTime::timestamptz as event_time,
        record.eventTime::timestamptz::date as event_date,
        record.eventSource as event_source,
        record.eventName as event_name,
        record.errorCode as error_code,
        record.sourceIPAddress as source_ip_address,
        record.eventID as event_id,
        record.userIdentity.accessKeyId as access_key_id,
        coalesce(
            record.userIdentity.sessionContext.sessionIssuer.arn, record.userIdentity.arn
        ) as principal_arn
    from (
        select unnest(Records) as record
        from read_json('{logs}/AWSLogs/*/CloudTrail/**/*.json.gz', format = 'unstructured',
            maximum_object_size = {object_bytes}, columns = {{Records: '{_RECORD}'}})
    )
)"""


def largest(logs: Path) -> int:
    """Return the largest log file's size, uncompressed: the last four bytes of a gzip file."""
    found = 0
    for file in logs.rglob("*.json.gz"):
        if "/CloudTrail/" in str(file):
            with file.open("rb") as stream:
                stream.seek(-4, 2)
                found = max(found, int.from_bytes(stream.read(4), "little"))
    return found
