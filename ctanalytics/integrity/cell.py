"""One account and region: its chains, the log files they list, and the files that none lists."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.integrity import coverage as cover
from ctanalytics.integrity import locations as places
from ctanalytics.integrity import log_file, trails
from ctanalytics.integrity.chain import Step, Walk
from ctanalytics.integrity.coverage import EVERY, Coverage, Span
from ctanalytics.integrity.journal import Journal
from ctanalytics.integrity.keys import Keys
from ctanalytics.integrity.locations import Locations
from ctanalytics.integrity.names import Names
from ctanalytics.integrity.place import Entry, Place, Stored
from ctanalytics.integrity.trails import Cell, ChainKey, Wanted
from ctanalytics.integrity.verdict import Checked, Verdict, parsed_time
from ctanalytics.lake.inflate import inflate
from ctanalytics.records import digest as form
from ctanalytics.records import object_key

IN_FLIGHT: Final = 128
"""Log files that are asked for and not yet told about, at most."""

_STAMP_SLACK: Final = dt.timedelta(minutes=5)  # a name tells when a file was begun
_LISTED_AFTER: Final = EVERY + dt.timedelta(minutes=15)
_MOVED_LOOKS: Final = 1_000
_LEARN_FROM: Final = 20


@dataclass(frozen=True)
class Job:
    """What validating a cell needs."""

    place: Place
    pool: Executor
    keys: Keys
    wanted: Wanted
    since: dt.datetime | None
    """None: from the oldest digest on."""
    until: dt.datetime
    as_of: dt.datetime
    """When the place was as it is: a digest that is due after it can't be there yet."""
    open_end: bool = False
    """Whether log files after `until` are told as pending, not left out."""
    original: tuple[str, str] | None = None
    journal: Journal | None = None


@dataclass
class _State:
    """What the chains of a cell come to."""

    names: Names = field(default_factory=Names)
    kinds: set[str] = field(default_factory=set)
    """Path segments of the log files that digests list."""
    spans: list[Span] = field(default_factory=list)
    newest: dt.datetime | None = None
    oldest: dt.datetime | None = None
    missing: dict[str, list[Checked]] = field(default_factory=dict)
    """Log files that are not where they should be, by the hash they must have."""


def validate(job: Job, cell: Cell) -> Iterator[Checked]:
    """Check a cell; rows come as they are found, in a fixed order.

    Raises:
        SourceError: the place can't be read at all.
    """
    # Digests that come after the end list the last log files.
    listed = trails.digests(job.place, cell, job.since, job.until + EVERY)
    chosen = {key: found for key, found in listed.chains.items() if job.wanted.takes(key)}
    where = _locations(job, cell, listed.chains)
    state = _State()
    for strange in listed.strange:
        yield _strange(job, cell, where, strange)
    # The later chains of a trail, those of backfill, list what its ordinary ones missed.
    for key in sorted(listed.chains):
        rows = _chain(job, cell, where, key, listed.chains[key], state, told=key in chosen)
        yield from rows
    if not any(not key.backfill for key in chosen):
        yield from _without_digests(job, cell)
    yield from _unlisted(job, cell, where, state)
    for absent in state.missing.values():
        yield from absent


def _locations(job: Job, cell: Cell, chains: dict[ChainKey, list[Entry]]) -> Locations:
    if job.original is not None:
        return places.told(job.place, cell.home, job.original)
    if job.place.bucket != "file":
        return places.in_place(job.place, cell.home)
    return places.learned(job.place, cell.home, _own_words(job, chains))


def _own_words(job: Job, chains: dict[ChainKey, list[Entry]]) -> Iterator[tuple[str, form.Digest]]:
    """What some digests of a copy say about themselves."""
    for entries in chains.values():
        for entry in entries[-_LEARN_FROM:][::-1]:
            stored = job.place.read(job.place.bucket, entry.key)
            if not isinstance(stored, Stored):
                continue
            try:
                yield (
                    entry.key,
                    form.parse(inflate(stored.data, max_bytes=log_file.MAX_BYTES).content),
                )
            except ValueError:
                continue


def _strange(job: Job, cell: Cell, where: Locations, entry: Entry) -> Checked:
    bucket, key = where.original(entry.key)
    return Checked(
        kind="digest",
        verdict="unlisted",
        detail="a file among the digests that is named like none",
        bucket=bucket or "",
        key=key,
        stored_bucket=job.place.bucket,
        stored_key=entry.key,
        account_id=cell.home.account_id,
        aws_region=cell.aws_region,
    )


def _chain(
    job: Job,
    cell: Cell,
    where: Locations,
    key: ChainKey,
    listed: list[Entry],
    state: _State,
    *,
    told: bool,
) -> Iterator[Checked]:
    """Check one chain; of a trail that was not asked for only the names of its log files count."""
    covered = Coverage()
    waiting: deque[Checked | tuple[form.LogFile, Checked, Future[Checked]]] = deque()
    in_flight = 0
    for step in Walk(job.place, job.pool, job.keys, where, cell, key).back(listed, job.since):
        if told:
            waiting.append(step.checked)
        if step.span is not None and step.digest is not None:
            if not key.backfill:
                covered.add(step.span, starts_chain=step.digest.starts_chain)
            for expected, base in _promised(cell, where, key, step, state):
                if told:
                    waiting.append((expected, base, job.pool.submit(_check, job, expected, base)))
                    in_flight += 1
        while waiting and (in_flight >= IN_FLIGHT or isinstance(waiting[0], Checked)):
            found = waiting.popleft()
            in_flight -= not isinstance(found, Checked)
            yield from _told(found, state)
    while waiting:
        yield from _told(waiting.popleft(), state)
    if not key.backfill:
        if told:
            yield from _gaps(job, cell, key, covered)
        state.spans += covered.spans
        newest, oldest = covered.newest, covered.oldest
        if newest is not None and oldest is not None:
            state.newest = max(newest, state.newest or newest)
            state.oldest = min(oldest, state.oldest or oldest)


def _promised(
    cell: Cell, where: Locations, key: ChainKey, step: Step, state: _State
) -> Iterator[tuple[form.LogFile, Checked]]:
    """The log files of a digest that holds, and where each must lie."""
    for expected in step.digest.log_files if step.digest is not None else ():
        parsed = object_key.parse(expected.key)
        stored = where.stored(expected.bucket, expected.key)
        state.kinds.add(object_key.SEGMENTS.get(parsed.kind, parsed.kind))
        if stored is not None:
            state.names.add("/".join(stored))
        yield (
            expected,
            Checked(
                kind="log",
                verdict="missing",
                detail="" if stored else "it lies outside of this copy",
                bucket=expected.bucket,
                key=expected.key,
                stored_bucket=stored[0] if stored else "",
                stored_key=stored[1] if stored else "",
                account_id=parsed.account_id or cell.home.account_id,
                aws_region=parsed.aws_region or cell.aws_region,
                trail=key.trail,
                backfill=key.backfill,
                stamp=parsed.stamp,
                oldest_event_time=parsed_time(expected.oldest_event_time),
                newest_event_time=parsed_time(expected.newest_event_time),
                digest_bucket=step.checked.stored_bucket,
                digest_key=step.checked.stored_key,
            ),
        )


def _check(job: Job, expected: form.LogFile, base: Checked) -> Checked:
    if not base.stored_key:
        return base
    if job.journal is None:
        return log_file.check(job.place, expected, base)
    etag = _etag_now(job, base)
    sha256 = expected.sha256.lower()
    known = etag and job.journal.find(base.stored_bucket, base.stored_key, sha256, etag)
    if known and known[0] == "valid":
        return dataclasses.replace(
            base, verdict="valid", detail=known[1], sha256=known[2], etag=etag
        )
    found = log_file.check(job.place, expected, base)
    if found.verdict == "valid" and found.etag and found.sha256:
        words = (found.verdict, found.detail, found.sha256)
        job.journal.keep(base.stored_bucket, base.stored_key, sha256, found.etag, words)
    return found


def _etag_now(job: Job, base: Checked) -> str | None:
    return job.place.etag(base.stored_bucket, base.stored_key)


def _told(
    found: Checked | tuple[form.LogFile, Checked, Future[Checked]], state: _State
) -> Iterator[Checked]:
    if isinstance(found, Checked):
        yield found
        return
    expected, _, coming = found
    checked = coming.result()
    if checked.verdict == "missing" and len(state.missing) < _MOVED_LOOKS:
        # It may have been moved: told when the files that no digest lists are known.
        state.missing.setdefault(expected.sha256.lower(), []).append(checked)
        return
    yield checked


def _gaps(job: Job, cell: Cell, key: ChainKey, covered: Coverage) -> Iterator[Checked]:
    since = job.since or covered.oldest
    due = job.as_of - EVERY
    for span, why in covered.gaps(since or due, job.until, due=due):
        yield _gap(cell, span, why, key.trail)


def _gap(cell: Cell, span: Span, why: str, trail: str | None) -> Checked:
    return Checked(
        kind="gap",
        verdict="uncovered",
        detail=why,
        account_id=cell.home.account_id,
        aws_region=cell.aws_region,
        trail=trail,
        since=span[0],
        until=span[1],
    )


def _without_digests(job: Job, cell: Cell) -> Iterator[Checked]:
    """No digest of the wanted trail is there at all."""
    until = min(job.until, job.as_of - EVERY)
    last = trails.newest_day(job.place, cell)
    why = (
        f"there is no digest, the last is of {last}"
        if last
        else "there is no digest: log file validation is off, or all of them are gone"
    )
    if job.since is not None:
        since = job.since
    else:
        stamps = (
            parsed.stamp
            for segment in trails.LOGS
            for _, parsed in trails.log_files(job.place, cell, segment, None, job.until)
            if parsed.stamp is not None
        )
        since = min(stamps, default=until)
    if since < until:
        yield _gap(cell, (since, until), why, job.wanted.trail)


def _unlisted(job: Job, cell: Cell, where: Locations, state: _State) -> Iterator[Checked]:
    """Files that no digest lists: planted, or too young, or of hours that nothing vouches for."""
    merged = cover.merge(state.spans)
    since = job.since or state.oldest
    for segment in trails.LOGS:
        # Whether digests list the other kinds of files is documented nowhere: where they do, all
        # of them must be listed.
        if segment != "CloudTrail" and segment not in state.kinds:
            continue
        end = job.as_of if job.open_end else job.until
        for entry, parsed in trails.log_files(
            job.place, cell, segment, since, end + dt.timedelta(days=1)
        ):
            if f"{job.place.bucket}/{entry.key}" in state.names or _is_marker(entry):
                continue
            stamp = parsed.stamp
            outside = stamp is not None and (
                _is_before(stamp, since, job) or (stamp >= job.until and not job.open_end)
            )
            if outside:
                continue
            bucket, key = where.original(entry.key)
            verdict, detail = _why_unlisted(job, merged, state, stamp)
            base = Checked(
                kind="log",
                verdict=verdict,
                detail=detail,
                bucket=bucket or "",
                key=key,
                stored_bucket=job.place.bucket,
                stored_key=entry.key,
                account_id=parsed.account_id or cell.home.account_id,
                aws_region=cell.aws_region,
                stamp=stamp,
                etag=entry.etag,
            )
            if verdict == "unlisted":
                yield from _moved_or_planted(job, base, state)
            else:
                yield base


def _is_before(stamp: dt.datetime, since: dt.datetime | None, job: Job) -> bool:
    if since is None:
        return False
    # What bears the very minute in which the oldest digest begins was delivered before it.
    return stamp < since or (job.since is None and stamp == since)


def _is_marker(entry: Entry) -> bool:
    return not entry.size_bytes and not entry.key.endswith(".gz")


def _covered(merged: list[Span], stamp: dt.datetime | None) -> bool:
    return (
        stamp is not None
        and cover.covers(merged, stamp - _STAMP_SLACK)
        and cover.covers(merged, stamp)
        and cover.covers(merged, stamp + _STAMP_SLACK)
    )


def _why_unlisted(
    job: Job, merged: list[Span], state: _State, stamp: dt.datetime | None
) -> tuple[Verdict, str]:
    if stamp is None:
        return "unlisted", "its name does not tell when it was delivered, and no digest lists it"
    if _covered(merged, stamp):
        return "unlisted", "the digests of its hour hold, and none lists it: it was planted"
    late = state.newest is None or stamp > state.newest - _STAMP_SLACK
    if late and job.as_of < stamp + _LISTED_AFTER:
        return "pending", ""
    return "uncovered", "no digest of its hour holds"


def _moved_or_planted(job: Job, base: Checked, state: _State) -> Iterator[Checked]:
    """An unlisted file with the content of a missing one is that one, moved."""
    if state.missing and (stored := job.place.read(base.stored_bucket, base.stored_key)):
        content = log_file.content_of(stored.data) if isinstance(stored, Stored) else None
        absent = state.missing.get(content.sha256 or "") if content else None
        if absent and content:
            lost = absent.pop()
            if not absent:
                del state.missing[content.sha256 or ""]
            yield dataclasses.replace(
                lost,
                verdict="moved",
                detail=f"it was moved to {base.location}",
                sha256=content.sha256,
                etag=base.etag,
                stored_bucket=base.stored_bucket,
                stored_key=base.stored_key,
            )
            return
    yield base
