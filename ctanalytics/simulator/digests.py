"""Digest files: one an hour for each account and region, signed, each naming the one before."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ctanalytics.records import digest as form
from ctanalytics.records import object_key
from ctanalytics.simulator import rsa
from ctanalytics.simulator.delivery import DeliveredFile, pack
from ctanalytics.simulator.episodes import instant
from ctanalytics.simulator.organization import BUCKET, TRAIL, token
from ctanalytics.simulator.plan import ALL_DIGESTS, Plan

_HOUR = 3_600


@dataclass(frozen=True)
class WrittenDigest:
    """A digest file that was written, with its metadata beside it."""

    key: str
    size_bytes: int


def write_digests(plan: Plan, files: Iterable[DeliveredFile], out: Path) -> Iterator[WrittenDigest]:
    """Write the digest chains that cover a plan's last days, and the public keys."""
    if plan.digest_days == 0:
        return
    days = plan.days if plan.digest_days == ALL_DIGESTS else min(plan.digest_days, plan.days)
    since = plan.end - days * 86_400
    by_cell: dict[tuple[str, str], list[DeliveredFile]] = defaultdict(list)
    for file in files:
        if file.stamp > since:
            by_cell[file.account_id, file.region].append(file)
    keys = form.build_public_keys(
        _public_key(plan, region)
        for region in sorted({region for _, region in plan.organization.cells})
    )
    (out / form.PUBLIC_KEYS_FILE).write_bytes(keys)
    last = max((file.stamp for cell in by_cell.values() for file in cell), default=plan.end)
    for account_id, region in plan.organization.cells:
        yield from _chain(plan, account_id, region, by_cell[account_id, region], since, last, out)


def _chain(
    plan: Plan,
    account_id: str,
    region: str,
    files: list[DeliveredFile],
    since: int,
    last: int,
    out: Path,
) -> Iterator[WrittenDigest]:
    """One chain: its digests end at the same minute of each hour, the last when all is covered."""
    files = sorted(files, key=lambda file: (file.stamp, file.key))
    end = since + 60 + token(plan.seed, "digest", account_id, region)[0] % 50 * 60 + 31
    previous: tuple[form.Digest, bytes, str] | None = None
    place = 0
    start = since
    while True:
        listed = []
        while place < len(files) and files[place].stamp <= end:
            listed.append(files[place])
            place += 1
        digest, content = _digest(plan, account_id, region, start, end, listed, previous)
        signature = form.sign(
            rsa.private_key(plan.seed, region), form.signing_string(digest, content)
        )
        yield _write(out, digest, content, signature)
        if end >= last:
            return
        previous = digest, content, signature
        start, end = end, end + _HOUR


def _digest(
    plan: Plan,
    account_id: str,
    region: str,
    start: int,
    end: int,
    files: list[DeliveredFile],
    previous: tuple[form.Digest, bytes, str] | None,
) -> tuple[form.Digest, bytes]:
    before, before_content, before_signature = previous or (None, b"", None)
    digest = form.Digest(
        account_id=account_id,
        start_time=instant(start),
        end_time=instant(end),
        bucket=BUCKET,
        key=object_key.digest_key(
            account_id=account_id,
            aws_region=region,
            end=dt.datetime.fromtimestamp(end, dt.UTC),
            trail=TRAIL,
            home_region=plan.organization.home_region,
            organization=plan.organization_id,
        ),
        fingerprint=_public_key(plan, region).fingerprint,
        newest_event_time=instant(max(f.newest for f in files)) if files else None,
        oldest_event_time=instant(min(f.oldest for f in files)) if files else None,
        previous_bucket=before.bucket if before else None,
        previous_key=before.key if before else None,
        previous_sha256=hashlib.sha256(before_content).hexdigest() if before else None,
        previous_hash_algorithm=form.HASH_ALGORITHM if before else None,
        previous_signature=before_signature,
        log_files=tuple(
            form.LogFile(
                bucket=BUCKET,
                key=file.key,
                sha256=file.sha256,
                newest_event_time=instant(file.newest),
                oldest_event_time=instant(file.oldest),
            )
            for file in files
        ),
    )
    return digest, form.build(digest)


def _write(out: Path, digest: form.Digest, content: bytes, signature: str) -> WrittenDigest:
    path = out / digest.key
    path.parent.mkdir(parents=True, exist_ok=True)
    packed, metadata = pack(content), form.build_metadata(signature)
    path.write_bytes(packed)
    path.with_name(path.name + form.METADATA_SUFFIX).write_bytes(metadata)
    return WrittenDigest(digest.key, len(packed) + len(metadata))


def _public_key(plan: Plan, region: str) -> form.PublicKey:
    der = form.public_key_der(rsa.private_key(plan.seed, region).public_key())
    begin = dt.datetime.fromtimestamp(plan.begin, dt.UTC)
    return form.PublicKey(
        region=region,
        fingerprint=form.fingerprint(der),
        value=der,
        valid_from=begin - dt.timedelta(days=1),
        valid_until=begin + dt.timedelta(days=plan.days + 30),
    )
