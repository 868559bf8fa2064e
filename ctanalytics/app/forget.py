"""Forget: carry out an erasure request on all that a lake holds, and keep to it from then on."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.errors import UsageError
from ctanalytics.lake import compacted, forgotten, maintenance, plans, rewrite
from ctanalytics.lake.erasure import ACTIONS, KINDS, Eraser, Subject
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import RECORD_TABLES, TABLES
from ctanalytics.lake.redact import MASK, Redactor
from ctanalytics.lake.store import Store
from ctanalytics.lake.treatment import read_key
from ctanalytics.settings import Settings

_WAIT_SECONDS: Final = 24 * 3600.0
_OF_OBJECTS: Final = frozenset(("log_files", "duplicates", "file_verdicts"))
"""Tables about log files, which name nobody."""
_OF_ACCOUNTS: Final = frozenset((*RECORD_TABLES, "quarantine"))


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of one table."""

    table: str
    removed: int
    """Rows that are gone: the subject acted in them."""
    covered: int
    """Rows that stay, but don't name the subject any more."""
    files: int
    """Files written again."""


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """What was erased, or with a dry run what would be."""

    request_id: str | None
    action: str
    kind: str
    dry_run: bool
    tables: list[Erased] = field(default_factory=list)

    @property
    def removed(self) -> int:
        """Rows of all tables that are gone."""
        return sum(each.removed for each in self.tables)

    @property
    def covered(self) -> int:
        """Rows of all tables that were changed."""
        return sum(each.covered for each in self.tables)


def forget(
    lake: str | Lake,
    *,
    kind: str,
    value: str,
    account: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    action: str = "remove",
    reason: str = "",
    settings: Settings | None = None,
    dry_run: bool = False,
    now: dt.datetime | None = None,
) -> ForgetResult:
    """Take a person, principal, address or account out of a lake.

    The request is logged first, so that an ingest that begins meanwhile keeps to it. Run again
    after a crash, it goes on under the same entry.

    Args:
        kind: user_name, session_name, principal, arn, ip or account.
        value: what to look for; capitals are no difference.
        account: only in this account; empty: in all.
        since: only events of this time on.
        until: only events before this time.
        action: remove (rows in which the subject acted), mask, or hash (with the key of
            `redact.hash`). Mentions in other rows are masked or hashed.
        reason: for the log, such as the number of the request.
        dry_run: only count.

    Raises:
        UsageError: the subject or the action can't be used.
        SettingsError: hashing has no key.
        LakeError: the lake can't be written.
    """
    settings = settings or Settings()
    subject = Subject(kind, value, account, since, until)
    eraser = _eraser(subject, action, settings)
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    if dry_run:
        found = [_counted(here, name, eraser) for name in _tables(eraser)]
        return ForgetResult(None, action, kind, True, [each for each in found if each.files])
    known = forgotten.same(here.store, subject, action)
    now = now or dt.datetime.now(dt.UTC)
    entry = known or forgotten.new(subject, action, now, reason)
    forgotten.write(here.store, entry)
    _settle(here)
    gone: Counter[tuple[str, int]] = Counter()
    with here.lease(maintenance.LEASE):
        found = [_erased(here, name, eraser, gone) for name in _tables(eraser)]
        if known and not known["finished_at"]:
            gone = _unaccounted(here)  # also what a run that was killed has taken out
        _account(here, gone)
    found = [each for each in found if each.files]
    _finish(here.store, entry, found, now)
    return ForgetResult(entry["id"], action, kind, False, found)


def _eraser(subject: Subject, action: str, settings: Settings) -> Eraser:
    if subject.kind not in KINDS or action not in ACTIONS:
        raise UsageError(
            f"there is no subject {subject.kind!r} or action {action!r}",
            where="forget",
            mend=f"take one of {', '.join(KINDS)}, and one of {', '.join(ACTIONS)}",
        )
    subject.check(action)
    cover = MASK
    if action == "hash":
        cover = Redactor((), read_key(settings.redact.key_file)).hash(subject.value.encode())
    return Eraser(subject, action, cover)


def _tables(eraser: Eraser) -> list[str]:
    names = [name for name in TABLES if name not in _OF_OBJECTS]
    return names if eraser.mentions else [name for name in names if name in _OF_ACCOUNTS]


def _settle(lake: Lake) -> None:
    """Wait for an ingest that may have read its objects before the request was logged."""
    plan_id = plans.roll_forward(lake)
    if plans.pending(lake, plan_id) is not None:
        with lake.lease(plans.lease_name(plan_id), wait_seconds=_WAIT_SECONDS):
            plans.roll_forward(lake)


def _counted(lake: Lake, table: str, eraser: Eraser) -> Erased:
    seen = maintenance.snapshot(lake, table)
    files = removed = covered = 0
    for file in rewrite.touched(lake, seen, eraser.touches, eraser.columns(TABLES[table].schema)):
        files += 1
        for rows in compacted.read(lake.store, table, [file.path]):
            gone, changed = _counts(eraser, rows)
            removed, covered = removed + gone, covered + changed
    return Erased(table, removed, covered, files)


def _erased(lake: Lake, table: str, eraser: Eraser, gone: Counter[tuple[str, int]]) -> Erased:
    made = rewrite.rewrite(
        lake,
        table,
        lambda rows: (eraser.erase(rows), _counts(eraser, rows)[1]),
        eraser.touches,
        eraser.columns(TABLES[table].schema),
        why="forget",
    )
    gone += made.gone
    removed = made.rows_before - made.rows_after
    return Erased(table, removed, made.rows_changed, len(made.removes))


def _unaccounted(lake: Lake) -> Counter[tuple[str, int]]:
    """Count the records that the ledger misses, by the object and the plan that brought them."""
    expired, _ = maintenance.expired(lake)
    with lake.engine() as engine:
        return Counter(
            {
                (row["object"], row["plan_id"]): int(row["records"] - row["accounted"])
                for row in engine.run("lake/object_rows").to_pylist()
                if row["flaw"] == "missing" and not (expired and row["first_date"] < expired)
            }
        )


def _account(lake: Lake, gone: Counter[tuple[str, int]]) -> None:
    """Let the ledger say of the objects' records that some were left out: so its sums still hold."""
    if not gone:
        return

    def more(rows: pa.Table) -> list[int]:
        names = zip(rows["bucket"].to_pylist(), rows["key"].to_pylist(), strict=True)
        origins = zip(names, rows["plan_id"].to_pylist(), strict=True)
        return [gone[f"{bucket}/{key}", plan_id] for (bucket, key), plan_id in origins]

    def change(rows: pa.Table) -> tuple[pa.Table, int]:
        counts = pc.add(pc.fill_null(rows["records_filtered"], 0), pa.array(more(rows)))
        place = rows.schema.get_field_index("records_filtered")
        return rows.set_column(place, "records_filtered", counts), 0

    rewrite.rewrite(
        lake,
        "log_files",
        change,
        lambda rows: any(more(rows)),
        ("bucket", "key", "plan_id"),
        why="forget",
    )


def _counts(eraser: Eraser, rows: pa.Table) -> tuple[int, int]:
    """How many rows go, and how many are changed."""
    found, acted = eraser.count(rows)
    gone = acted if eraser.action == "remove" else 0
    return gone, found - gone


def _finish(store: Store, entry: forgotten.Entry, found: list[Erased], now: dt.datetime) -> None:
    rows = {each.table: {"removed": each.removed, "covered": each.covered} for each in found}
    before = entry["rows"] or {}
    for table, counts in before.items():  # of runs of the same request before
        new = rows.setdefault(table, {"removed": 0, "covered": 0})
        rows[table] = {name: new[name] + counts[name] for name in counts}
    done = {"rows": rows, "finished_at": now.isoformat(timespec="seconds")}
    forgotten.write(store, entry | done)
