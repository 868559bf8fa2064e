"""Where things lie in a lake, and which tables it has.

```
lake.json            format version, written once
tables/<name>/       one Delta table each
plans/               what an ingest set out to do, and its result until all tables have it
staging/<plan>/      decoded rows on their way to their dates
leases/              who works on what, renewed while alive
journal/             acknowledgements not yet folded into the outbox
forgotten/           erasure requests: a log, and what later ingests keep to
care/                when the lake was last compacted, expired, vacuumed, and what it came to
models/              what detectors of behaviour learned, the newest of each
cache/               what re-listing remembers; lost, it is found anew
upgrade/             which files an older format left, that lack columns
backup/format-<n>/   marker and table logs as they were before an upgrade
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ctanalytics.findings import ANOMALIES, BEHAVIOUR_DRIFT, MARKS, OUTBOX
from ctanalytics.records import schema
from ctanalytics.records.config_item import CONFIG_ITEMS
from ctanalytics.records.directory import ACCOUNT_DIRECTORY, USER_DIRECTORY
from ctanalytics.records.file_verdicts import FILE_VERDICTS
from ctanalytics.records.incidents import ANOMALY_TRAITS, INCIDENTS
from ctanalytics.records.posture import POSTURE_FINDINGS
from ctanalytics.records.runs import RUNS
from ctanalytics.records.series_tables import (
    SERIES_BUDGET,
    SERIES_DAY,
    SERIES_MINUTE,
    SERIES_PEAK,
    SERIES_REVIEW,
)

FORMAT_VERSION: Final = 2
"""2: tables of what came after ingest and rates, columns in `LATER_COLUMNS`."""
MARKER: Final = "lake.json"
PARTITION: Final = "event_date"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """Columns of a table, and whether it is partitioned by event_date."""

    schema: pa.Schema
    partitioned: bool = False
    keyed: bool = False
    """Rows that an ingest brings again are left out, as they are of partitioned tables."""

    @property
    def partition(self) -> str | None:
        """The partition column, or None."""
        return PARTITION if self.partitioned else None

    def file_schema(self) -> pa.Schema:
        """Columns inside a Parquet file: the partition column is in the path alone."""
        return pa.schema([field for field in self.schema if field.name != self.partition])


TABLES: Final[dict[str, TableSpec]] = {
    "log_files": TableSpec(schema.LOG_FILES),
    "file_verdicts": TableSpec(FILE_VERDICTS),
    "quarantine": TableSpec(schema.QUARANTINE),
    "duplicates": TableSpec(schema.DUPLICATES),
    "aws_insights": TableSpec(schema.INSIGHTS, partitioned=True),
    "aggregated_events": TableSpec(schema.AGGREGATED, partitioned=True),
    "event_conflicts": TableSpec(schema.CONFLICTS, partitioned=True),
    # Not by dates: a snapshot repeats what was captured on hundreds of them.
    "config_items": TableSpec(CONFIG_ITEMS, keyed=True),
    "events": TableSpec(schema.EVENTS, partitioned=True),
    "anomalies": TableSpec(ANOMALIES),
    "outbox": TableSpec(OUTBOX),
    "marks": TableSpec(MARKS),
    "behaviour_drift": TableSpec(BEHAVIOUR_DRIFT),
    "account_directory": TableSpec(ACCOUNT_DIRECTORY),
    "user_directory": TableSpec(USER_DIRECTORY),
    "anomaly_traits": TableSpec(ANOMALY_TRAITS),
    "incidents": TableSpec(INCIDENTS),
    "runs": TableSpec(RUNS),
    "series_minute": TableSpec(SERIES_MINUTE, partitioned=True),
    "series_day": TableSpec(SERIES_DAY, partitioned=True),
    "series_peak": TableSpec(SERIES_PEAK, partitioned=True),
    "series_review": TableSpec(SERIES_REVIEW, partitioned=True),
    "series_budget": TableSpec(SERIES_BUDGET),
    "posture_findings": TableSpec(POSTURE_FINDINGS),
}

RECORD_TABLES: Final = (
    "aws_insights",
    "aggregated_events",
    "config_items",
    "event_conflicts",
    "events",
)
"""Tables whose rows are records of log files, or items of AWS Config's."""

DERIVED: Final = ("series_minute", "series_day", "series_peak", "series_review")
"""Tables that are made from others; see `lake.derived`. Their files are not merged."""

FIRST_TABLES: Final = frozenset(
    (
        "log_files",
        "quarantine",
        "aws_insights",
        "aggregated_events",
        "event_conflicts",
        "events",
        "anomalies",
        "outbox",
    )
)
"""Tables of every lake since there are lakes: where one is missing, it was lost. Others came later,
and are made in an older lake when it is upgraded."""

LATER_COLUMNS: Final = {
    "events": ("masked_paths",),
    "event_conflicts": ("masked_paths",),
    "log_files": ("delivered_at", "records_filtered", "first_event_time", "last_event_time"),
}
"""Columns that files of format 1 lack: they are null there."""

INGEST_TABLES: Final = (
    "log_files",
    "quarantine",
    "duplicates",
    "aws_insights",
    "aggregated_events",
    "config_items",
    "event_conflicts",
    "events",
)
"""Tables that an ingest fills, in the order of their commits: whoever sees the events of a plan
also sees its other rows."""


def table_path(name: str) -> str:
    """Return a table's folder."""
    return f"tables/{name}"
