"""Bundle verify: does a case bundle prove its rows, without a network."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ctanalytics.app.bundle.create import plain
from ctanalytics.integrity import case
from ctanalytics.integrity.case import Case, LogMember
from ctanalytics.integrity.keys import KeyFiles, Keys
from ctanalytics.integrity.log_file import compared
from ctanalytics.integrity.place import Stored
from ctanalytics.integrity.signature import Judged, judge
from ctanalytics.integrity.verdict import Checked
from ctanalytics.lake.decode import decode
from ctanalytics.records import digest as form

MOST_FINDINGS: Final = 1_000
_OURS: Final = frozenset(("plan_id", "source_object", "event_date", "event_time_status"))
"""Columns that tell of the ingest, not of the record."""


@dataclass(frozen=True)
class VerifyResult:
    """What a check of a bundle came to."""

    path: str
    created_at: str
    lake: str
    sql: str
    rows: int
    rows_proved: int
    """Rows that stand so in a log file whose verdict is valid."""
    log_files: dict[str, int]
    digests: dict[str, int]
    keys: str
    findings: list[str]
    notes: list[str]

    @property
    def whole(self) -> bool:
        """Whether everything in the bundle is proved."""
        return not self.findings and self.rows_proved == self.rows


def verify(path: str | Path, *, public_keys: Sequence[str | Path] = ()) -> VerifyResult:
    """Check a case bundle: its members, digests, log files and rows.

    Args:
        public_keys: files with AWS's keys; else those in the bundle.

    Raises:
        CaseError: it is no bundle.
        UsageError: the keys can't be read.
    """
    with case.reading(Path(path)) as found:
        check = _Check(found, *_keys(found, public_keys))
        check.members()
        check.digests()
        check.logs()
        rows, proved = check.rows()
        manifest = found.manifest
    findings = check.findings
    if len(findings) > MOST_FINDINGS:
        findings = [*findings[:MOST_FINDINGS], f"and {len(findings) - MOST_FINDINGS} more"]
    return VerifyResult(
        path=str(path),
        created_at=manifest.created_at,
        lake=manifest.lake,
        sql=manifest.sql,
        rows=rows,
        rows_proved=proved,
        log_files=dict(sorted(Counter(check.verdicts.values()).items())),
        digests=dict(sorted(Counter(one.verdict for one in check.judged.values()).items())),
        keys=check.keys.origin,
        findings=findings,
        notes=check.notes,
    )


def _keys(found: Case, files: Sequence[str | Path]) -> tuple[KeyFiles, list[str]]:
    if files:
        return KeyFiles.read([Path(file) for file in files]), []
    note = (
        "the keys are those in the bundle, which prove nothing against whoever made it; give "
        "--public-keys FILE from elsewhere"
    )
    try:
        keys = form.parse_public_keys(found.read(case.KEYS) or b"")
    except ValueError:
        keys = ()
    return KeyFiles(keys, "the bundle itself"), [note]


@dataclass
class _Check:
    """One check under way."""

    case: Case
    keys: Keys
    notes: list[str]
    findings: list[str] = field(default_factory=list)
    judged: dict[str, Judged] = field(default_factory=dict)
    """Digests by member."""
    verdicts: dict[str, str] = field(default_factory=dict)
    """Log files by the name that rows give them."""
    _good: set[str] = field(default_factory=set)
    """Members that are what the manifest says."""

    def members(self) -> None:
        """Each entry is in the manifest, once, and is what the manifest says."""
        counts = Counter(self.case.names())
        named = {member.name: member for member in self.case.manifest.members}
        for name, count in counts.items():
            if count > 1:
                self.findings.append(f"{name} is there {count} times")
            if name not in named and name != case.MANIFEST:
                self.findings.append(f"{name} is not in the manifest")
        for name, member in named.items():
            data = self.case.read(name) if counts[name] == 1 else None
            if data is None:
                self.findings.append(f"{name} is missing or damaged")
            elif hashlib.sha256(data).hexdigest() != member.sha256:
                self.findings.append(f"{name} was altered")
            else:
                self._good.add(name)

    def digests(self) -> None:
        """The signature of each digest holds."""
        for found in self.case.manifest.digests:
            data = self._member(found.member)
            if data is None:
                continue
            try:
                beside = self._member(found.member + form.METADATA_SUFFIX)
                metadata = dict(form.parse_metadata(beside or b"{}"))
            except ValueError:
                metadata = {}
            # A copy does not tell the bucket that AWS delivered to; the key is always known.
            place = (found.bucket, found.key)
            judged = judge(data, metadata, keys=self.keys, place=place)
            self.judged[found.member] = judged
            if judged.verdict != "valid":
                self.findings.append(f"{found.member}: {judged.verdict}: {judged.detail}")

    def logs(self) -> None:
        """Each log file is what its digest says."""
        for found in self.case.manifest.logs:
            verdict, detail = self._log(found)
            self.verdicts[found.source_object] = verdict
            if verdict != "valid":
                self.findings.append(f"{found.source_object}: {verdict}: {detail}")

    def rows(self) -> tuple[int, int]:
        """Each row stands so in its log file; returns how many there are and how many are proved."""
        data = self._member(case.ROWS) or b""
        lines = data.decode("utf-8", "replace").splitlines()
        by_file: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for number, text in enumerate(lines, 1):
            row = _row(text)
            if row is None or not isinstance(row.get("source_object"), str):
                self.findings.append(f"row {number} can't be read")
                continue
            by_file.setdefault(row["source_object"], []).append((number, row))
        if len(lines) != self.case.manifest.rows:
            self.findings.append(f"{len(lines)} rows where {self.case.manifest.rows} are named")
        members = {found.source_object: found for found in self.case.manifest.logs}
        proved = 0
        for name, rows in by_file.items():
            found = members.get(name)
            proved += self._rows_of(name, found, rows)
        return len(lines), proved

    def _rows_of(
        self, name: str, found: LogMember | None, rows: list[tuple[int, dict[str, Any]]]
    ) -> int:
        data = self._member(found.member) if found and found.member else None
        if found is None or data is None:
            self.findings.append(f"{len(rows)} rows come from {name}, which is not in the bundle")
            return 0
        records = _records(data, found.key)
        same = 0
        for number, row in rows:
            record = records.get(row.get("source_row"))
            if record is None:
                self.findings.append(f"row {number} is not in its log file")
            elif wrong := list(_differences(row, record)):
                self.findings.append(f"row {number} differs from its record: {', '.join(wrong)}")
            else:
                same += 1
        return same if self.verdicts.get(name) == "valid" else 0

    def _log(self, found: LogMember) -> tuple[str, str]:
        data = self._member(found.member) if found.member else None
        if data is None:
            return "missing", found.detail or "it is not in the bundle"
        judged = self.judged.get(found.digest or "")
        if judged is None or judged.digest is None or not judged.trusted:
            return "uncovered", "no digest of the bundle that holds lists it"
        for listed in judged.digest.log_files:
            if listed.key == found.key:
                base = Checked(kind="log", verdict="valid")
                checked = compared(Stored(data, ""), listed.sha256, base)
                return checked.verdict, checked.detail
        return "unlisted", "its digest does not list it"

    def _member(self, name: str) -> bytes | None:
        return self.case.read(name) if name in self._good else None


def _row(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _records(data: bytes, key: str) -> dict[Any, dict[str, Any]]:
    """The rows of a log file as ingest makes them, by their place."""
    decoded = decode(data, key=key)
    found: dict[Any, dict[str, Any]] = {}
    for table in (decoded.events, decoded.insights, decoded.aggregated):
        for row in table.to_pylist():
            found[row["source_row"]] = json.loads(json.dumps(row, default=plain))
    return found


def _differences(row: dict[str, Any], record: dict[str, Any]) -> Iterator[str]:
    """Columns of a row that are columns of records and differ; what is hidden is not compared."""
    hidden = bool(row.get("masked_paths"))
    for name, value in row.items():
        if name not in record or name in _OURS:
            continue
        if hidden and name not in ("event_id", "event_time", "event_name", "event_source"):
            continue
        if value != record[name]:
            yield name
