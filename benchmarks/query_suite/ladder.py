"""Lakes of 1, 3, 10 and 30 M events, made of one simulated lake by shifting times and ids in SQL.

Every copy has its own events, sessions and times; the keys that STS gives out are shifted like the
calls made with them, so that chains of credentials hold in each copy. Long-lived keys stay: they are
as much busier as there are copies. Copies lie in four groups of files: a rung of the ladder is the
first so many groups.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb

from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import EVENTS

COPIES = (0, 1, 3, 11, 32)
"""Group n holds the copies from COPIES[n] up to COPIES[n + 1]."""

_KEY = """
case
    when starts_with({key}, 'ASIA')
        then concat('ASIA', upper(substr(md5({key} || copy), 1, 9)), 'EXAMPLE')
    else {key}
end
"""
_ISSUED = """regexp_extract(response_elements, '"accessKeyId"\\s*:\\s*"([A-Z0-9]+)"', 1)"""
_MOVED = "event_time + to_seconds((copy * 97) % 3600 - 1800)"
# A time that would leave its day stays: the folder is the day.
_TIME = (
    f"case when cast({_MOVED} as date) = cast(event_time as date) then {_MOVED} else event_time end"
)
_MAKE_DAY = f"""
copy (
    select * exclude (copy) replace (
        {_TIME} as event_time,
        cast(hour({_TIME}) as tinyint) as event_hour,
        session_creation_time + to_seconds((copy * 97) % 3600 - 1800) as session_creation_time,
        concat(substr(md5(event_id || copy), 1, 8), substr(event_id, 9)) as event_id,
        concat(substr(md5(shared_event_id || copy), 1, 8), substr(shared_event_id, 9))
            as shared_event_id,
        {_KEY.format(key="access_key_id")} as access_key_id,
        case
            when {_ISSUED} <> ''
                then replace(response_elements, {_ISSUED}, {_KEY.format(key=f"({_ISSUED})")})
            else response_elements
        end as response_elements
    )
    from (from {{source}}) cross join range({{first}}, {{last}}) as copies(copy)
    order by event_time
) to '{{target}}' (format parquet, compression zstd, row_group_size 122880)
"""


@dataclass(frozen=True)
class Rung:
    """The same events twice: sorted by time with a file a day and group, and in hive folders."""

    copies: int
    lake: list[str]
    hive: list[str]


class RungLake(Lake):
    """The lake that a rung was made of, with the rung's events in place of its own."""

    def __init__(self, uri: str, events: list[str]) -> None:
        super().__init__(uri)
        self._events = events

    def files(self, name: str) -> list[str]:
        """Return the files of a table; of events those of the rung."""
        return self._events if name == "events" else super().files(name)


def make(lake: Lake, work: Path, rungs: int) -> list[Rung]:
    """Write what is not there yet, and return the first so many rungs."""
    return [
        Rung(
            COPIES[number],
            [file for group in groups for file in group[0]],
            [file for group in groups for file in group[1]],
        )
        for number, groups in _steps(lake, work, rungs)
    ]


def _steps(
    lake: Lake, work: Path, rungs: int
) -> list[tuple[int, list[tuple[list[str], list[str]]]]]:
    groups = []
    found = []
    for number, (first, last) in enumerate(list(pairwise(COPIES))[:rungs], 1):
        groups.append(_group(lake, work / f"group-{number}", first, last))
        found.append((number, list(groups)))
    return found


def _group(lake: Lake, work: Path, first: int, last: int) -> tuple[list[str], list[str]]:
    done = work / "done.json"
    if done.exists():
        return tuple(json.loads(done.read_text()))  # type: ignore[return-value]
    by_day: dict[str, list[str]] = {}
    for file in lake.files("events"):
        by_day.setdefault(Path(file).parent.name, []).append(file)
    columns = ", ".join(name for name in EVENTS.names if name != "event_date")
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set threads = 2; set memory_limit = '6GB'")
    sorted_files: list[str] = []
    hive_files: list[str] = []
    for day, files in sorted(by_day.items()):
        source = f"(select {columns} from read_parquet({files}, hive_partitioning = false))"
        target = work / "sorted" / day / "a.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(_MAKE_DAY.format(source=source, first=first, last=last, target=target))
        sorted_files.append(str(target))
        hive_files += _as_hive(connection, target, work / "hive", day)
        print(f"made {work.name} {day}", file=sys.stderr)
    done.write_text(json.dumps([sorted_files, hive_files]))
    return sorted_files, hive_files


def _as_hive(
    connection: duckdb.DuckDBPyConnection, source: Path, folder: Path, day: str
) -> list[str]:
    """The same day as a file for each account and region, in no order."""
    places = connection.execute(
        f"select distinct account_id, aws_region from read_parquet('{source}')"
    ).fetchall()
    made = []
    for account, region in sorted(places):
        place = folder / f"account_id={account}" / f"aws_region={region}" / day
        place.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"copy (select * exclude (account_id, aws_region) from read_parquet('{source}') "
            f"where account_id = '{account}' and aws_region = '{region}' order by hash(event_id)) "
            f"to '{place}/a.parquet' (format parquet, compression zstd)"
        )
        made.append(f"{place}/a.parquet")
    return made
