"""Takes out of a lake what an investigation needs, so that every part of it reads that alone.

The subject's own calls, those made with credentials that came of them, and the calls that gave the
subject its credentials become a few Parquet files; a second engine has them as its `events`. What
links credentials is decided there, by the views that decide it everywhere (`role_chains`,
`sessions`): here it is only made sure that they miss nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ctanalytics.app.investigate_subject import Subject
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.records.schema import EVENTS
from ctanalytics.untrusted import sql_text

LONGEST_SESSION: Final = dt.timedelta(hours=36)
MOST_CREDENTIALS: Final = 20_000
"""Credentials that are followed; beyond, the investigation says that there are more."""
MOST_HANDOVERS: Final = 12
_LISTED: Final = 200
"""Keys up to which a scan is given the list itself, so that it skips what has none of them."""

_UNUSED: Final = frozenset(
    (
        "api_version",
        "edge_device_details",
        "event_context",
        "event_version",
        "request_id",
        "resources",
        "service_event_details",
        "tls_cipher_suite",
        "tls_client_provided_host_header",
        "tls_key_exchange",
        "unknown_fields",
        "user_identity",
        "vpc_endpoint_account_id",
    )
)
"""Columns that no part of an investigation reads, unless a rule does."""

_ISSUERS: Final = (
    "AssumeRole",
    "AssumeRoleForPodIdentity",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "CreateAccessKey",
    "GetFederationToken",
    "GetSessionToken",
    "GetSigninToken",
)
_ISSUED: Final = (
    """regexp_extract(response_elements, '"accessKeyId"\\s*:\\s*"([A-Za-z0-9]+)"', 1)"""
)
_ISSUED_ARN: Final = r'"arn"\s*:\s*"(arn:[^"\\]+)"'
_HELD: Final = (
    "(coalesce(account_id, ''), event_id) in "
    "(select coalesce(account_id, ''), event_id from investigation_case)"
)


@dataclass
class Case:
    """What was taken out for one subject and span."""

    source: Engine
    """Over the whole lake; its `events` reach at least two days before the span."""
    subject: Subject
    since: dt.datetime
    until: dt.datetime
    folder: Path
    needed: frozenset[str] = frozenset(EVENTS.names)
    """Columns that somebody reads; others may be left empty."""
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def gather(self) -> None:
        """Copy the subject's calls, then hop by hop those made with what they were given."""
        begin = self.since - LONGEST_SESSION
        # A case of the whole of a small lake may still be cheap; a filter on two columns is not.
        self._copy(self._bounds(begin), self.subject.prefilter or self.subject.condition)
        self._follow(begin)
        self._trace_back()
        self._add_twins(begin)

    def engine(self) -> Engine:
        """Return an engine whose `events` are the case's, cut to the span, with all other tables."""
        tables = dict(self.source.tables)
        tables["events"] = TableFiles(EVENTS, self.files)
        tables["event_conflicts"] = TableFiles(EVENTS)
        tables["aggregated_events"] = TableFiles(tables["aggregated_events"].schema)
        return dataclasses.replace(
            self.source,
            tables=tables,
            since=self.since,
            until=self.until,
            org_wide=False,
            filters={},
        )

    def _follow(self, begin: dt.datetime) -> None:
        known: set[str] = set()
        for _ in range(MOST_HANDOVERS):
            new = sorted(
                self._keys(f"select {_ISSUED} as key from investigation_case where {_given()}")
                - known
            )
            if not new:
                return
            if len(known) + len(new) > MOST_CREDENTIALS:
                self.notes.append(
                    f"More than {MOST_CREDENTIALS:,} credentials came of the subject's calls; "
                    "the calls of the first ones are here. A shorter span shows the rest."
                )
                new = new[: MOST_CREDENTIALS - len(known)]
            known.update(new)
            # What is the subject's own is there already.
            own = self.subject.prefilter or self.subject.condition
            self._copy(
                self._bounds(begin),
                f"{self._is_key('access_key_id', new)} and not coalesce({own}, false)",
            )
        self.notes.append(
            f"Credentials were followed over {MOST_HANDOVERS} hand-overs, and there are more."
        )

    def _trace_back(self) -> None:
        """Copy the calls that gave out the credentials that the subject used, up to the first."""
        known: set[str] = set()
        wanted = self._keys("select access_key_id as key from investigation_case")
        for _ in range(MOST_HANDOVERS):
            wanted -= known
            if not wanted or len(known) > MOST_CREDENTIALS:
                return
            known |= wanted
            before = len(self.files)
            names = [name for name in _ISSUERS if name == "CreateAccessKey"]
            if any(key.startswith("ASIA") for key in wanted):
                names = list(_ISSUERS)
            self._copy(
                self._bounds(self.since - LONGEST_SESSION),
                f"event_name in ({_list(names)}) and not is_error "
                f"and {self._is_key(_ISSUED, sorted(wanted))} and not coalesce({_HELD}, false)",
            )
            if len(self.files) == before:
                return
            newest = sql_text(self.files[-1])
            wanted = self._keys(f"select access_key_id as key from read_parquet({newest})")

    def _add_twins(self, begin: dt.datetime) -> None:
        """Copy calls of services and the console on behalf of these sessions.

        They bear keys that no answer names; `sessions` tells whose they are, here only the name of
        the session does.
        """
        arns = self._keys(
            f"select regexp_extract(response_elements, '{_ISSUED_ARN}', 1) as key "
            f"from investigation_case where {_given()} "
            "union all select identity_arn from investigation_case where starts_with(access_key_id, 'ASIA')"
        )
        if not arns:
            return
        self._copy(
            self._bounds(begin),
            f"{self._is_key('identity_arn', sorted(arns))} "
            "and (invoked_by is not null or session_credential_from_console) "
            f"and not coalesce({_HELD}, false)",
        )

    def _copy(self, bounds: str, condition: str) -> None:
        """Write the events of a condition to a file of their own; none where there are none."""
        columns = ", ".join(
            name
            if name in self.needed or name not in _UNUSED
            else f"cast(null as varchar) as {name}"
            for name in EVENTS.names
        )
        place = self.folder / f"{len(self.files)}.parquet"
        run = self.source.execute
        ((rows,),) = run(
            f"copy (select {columns} from events where {bounds} and ({condition})) "
            f"to {sql_text(str(place))} (format parquet, compression lz4)"
        )
        if rows or not self.files:
            self.files.append(str(place))
            listed = ", ".join(sql_text(file) for file in self.files)
            run(f"create or replace temp view investigation_case as from read_parquet([{listed}])")

    def _keys(self, sql: str) -> set[str]:
        rows = self.source.execute(f"select distinct key from ({sql})")
        return {row[0] for row in rows if row[0]}

    def _is_key(self, value: str, keys: Sequence[str]) -> str:
        if len(keys) <= _LISTED:
            return f"{value} in ({_list(keys)})"
        run = self.source.execute
        run(
            "create or replace temp table investigation_keys as select unnest($1) as key",
            [list(keys)],
        )
        return f"{value} in (select key from investigation_keys)"

    def _bounds(self, since: dt.datetime) -> str:
        return bounds(since, self.until)


def bounds(since: dt.datetime, until: dt.datetime) -> str:
    """Return SQL that cuts `events` to a span, by date and by time."""
    last = until - dt.timedelta(microseconds=1)
    return (
        f"event_date >= date '{since:%Y-%m-%d}' and event_date <= date '{last:%Y-%m-%d}' "
        f"and event_time >= timestamptz '{since:%Y-%m-%d %H:%M:%S.%f}+00' "
        f"and event_time < timestamptz '{until:%Y-%m-%d %H:%M:%S.%f}+00'"
    )


def _given() -> str:
    return f"event_name in ({_list(_ISSUERS)}) and not is_error"


def _list(texts: Sequence[str]) -> str:
    return ", ".join(sql_text(text.replace("\x00", "")) for text in texts)
