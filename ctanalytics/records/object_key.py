"""Keys under which CloudTrail and AWS Config deliver files: parsed and built.

Source: AWS CloudTrail User Guide, "Getting and viewing your CloudTrail log files" and
"CloudTrail digest file structure"; AWS Config Developer Guide, "Viewing the delivery channel".
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass

LOG_KINDS = {
    "CloudTrail": "log",
    "CloudTrail-Insight": "insight",
    "CloudTrail-NetworkActivity": "network_activity",
    "CloudTrail-Aggregated": "aggregated",
    "CloudTrail-Digest": "digest",
    "Config": "config",
}
"""Path segment after the account -> our name for the kind of file."""

COMPANIONS = frozenset({"public-keys.json", "labels.jsonl", "config_labels.jsonl", "README.md"})
"""Names of files that lie beside a copy of logs and are none: keys, a simulator's labels, a text."""

SEGMENTS = {kind: segment for segment, kind in LOG_KINDS.items()}

REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}"

_MEMBER = "!/"
"""Between the key of an archive and the name of a file in it."""

_KEY = re.compile(
    r"(?:^|/)AWSLogs/(?:(?P<organization>o-[a-z0-9]{3,32})/)?(?P<account>\d{12})/"
    r"(?P<segment>CloudTrail(?:-Insight|-NetworkActivity|-Aggregated|-Digest)?|Config)/"
    r"(?P<region>[a-z0-9-]+)/(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<file>.+)$",
    re.ASCII,  # digits of other scripts are no account
)
# A copy of the bucket may lack what stands before the account, or the account itself.
_LOOSE = re.compile(
    r"(?:(?:^|/)(?P<account>\d{12}))?(?:^|/)"
    r"(?P<segment>CloudTrail(?:-Insight|-NetworkActivity|-Aggregated|-Digest)?|Config)/"
    r"(?P<region>"
    + REGION
    + r")/(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<file>.+)$",
    re.ASCII,
)
_LOG_FILE = re.compile(
    r"(?P<account>\d{12})_CloudTrail(?P<suffix>-Insight|-NetworkActivity|-Aggregated)?_"
    r"(?P<region>[a-z0-9-]+)_(?P<stamp>\d{8}T\d{4}Z)_?[^/]*$",
    re.ASCII,
)
_DIGEST_FILE = re.compile(
    r"(?P<account>\d{12})_CloudTrail-Digest_(?P<region>" + REGION + r")_(?P<trail>.+)_"
    r"(?P<home>" + REGION + r")_(?P<stamp>\d{8}T\d{6}Z)(?P<backfill>_backfill)?\.json\.gz$",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What a key tells about a file; None where the key is silent."""

    kind: str
    """log, insight, network_activity, aggregated, digest, config, companion, or unknown."""
    organization: str | None = None
    account_id: str | None = None
    aws_region: str | None = None
    delivery_date: dt.date | None = None
    stamp: dt.datetime | None = None
    """Delivery minute (digest: end second), UTC, from the file name."""
    trail: str | None = None
    """Digest files only: the trail's name."""
    home_region: str | None = None
    backfill: bool = False


@functools.lru_cache(maxsize=4_096)  # an ingest asks some times about each key in a row
def parse(key: str) -> ObjectKey:
    """Read what a key or path says about its file. Any text is accepted.

    The kind is taken from the path segment, not from the file name: names of some kinds are
    undocumented. A file outside any known layout has the kind "unknown", and only its content
    can tell what it is.
    """
    if _MEMBER in key and (inner := parse(key.rpartition(_MEMBER)[2])).kind != "unknown":
        return inner  # what an archive's member says of itself goes before its archive's path
    match = _KEY.search(key) or _LOOSE.search(key)
    name = key.rsplit("/", 1)[-1]
    if match is None:
        return _from_name(name)
    kind = LOG_KINDS[match["segment"]]
    digest = _DIGEST_FILE.search(name) if kind == "digest" else None
    log = _LOG_FILE.search(name)
    stamp = digest["stamp"] if digest else log["stamp"] if log else None
    return ObjectKey(
        kind=kind,
        organization=match.groupdict().get("organization"),
        account_id=match["account"] or (log["account"] if log else None),
        aws_region=match["region"],
        delivery_date=_date(match["year"], match["month"], match["day"]),
        stamp=_stamp(stamp),
        trail=digest["trail"] if digest else None,
        home_region=digest["home"] if digest else None,
        backfill=bool(digest and digest["backfill"]),
    )


def _from_name(name: str) -> ObjectKey:
    if name in COMPANIONS:
        return ObjectKey(kind="companion")
    digest = _DIGEST_FILE.search(name)
    if digest:
        stamp = _stamp(digest["stamp"])
        return ObjectKey(
            kind="digest",
            account_id=digest["account"],
            aws_region=digest["region"],
            delivery_date=stamp.date() if stamp else None,
            stamp=stamp,
            trail=digest["trail"],
            home_region=digest["home"],
            backfill=bool(digest["backfill"]),
        )
    log = _LOG_FILE.search(name)
    if not log:
        return ObjectKey(kind="unknown")
    stamp = _stamp(log["stamp"])
    return ObjectKey(
        kind=LOG_KINDS["CloudTrail" + (log["suffix"] or "")],
        account_id=log["account"],
        aws_region=log["region"],
        delivery_date=stamp.date() if stamp else None,
        stamp=stamp,
    )


def _date(year: str, month: str, day: str) -> dt.date | None:
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _stamp(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    # YYYYMMDDTHHMM[SS]Z; strptime takes ten times as long, 15 us.
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute, second = int(text[9:11]), int(text[11:13]), int(text[13:-1] or 0)
    try:
        return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None


def log_key(
    *,
    account_id: str,
    aws_region: str,
    delivered: dt.datetime,
    unique: str,
    kind: str = "log",
    organization: str | None = None,
    prefix: str = "",
) -> str:
    """Build the key of a log file as CloudTrail writes it.

    Args:
        delivered: UTC; cut to the minute.
        unique: 16 letters and digits that make the name unique.
        kind: log, insight, network_activity or aggregated.
    """
    segment = SEGMENTS[kind]
    return (
        f"{_root(account_id, organization, prefix)}/{segment}/{aws_region}/{delivered:%Y/%m/%d}/"
        f"{account_id}_{segment}_{aws_region}_{delivered:%Y%m%dT%H%MZ}_{unique}.json.gz"
    )


def digest_key(
    *,
    account_id: str,
    aws_region: str,
    end: dt.datetime,
    trail: str,
    home_region: str,
    organization: str | None = None,
    prefix: str = "",
    backfill: bool = False,
) -> str:
    """Build the key of a digest file; `end` is the digest's end time, UTC."""
    return (
        f"{_root(account_id, organization, prefix)}/CloudTrail-Digest/{aws_region}/{end:%Y/%m/%d}/"
        f"{account_id}_CloudTrail-Digest_{aws_region}_{trail}_{home_region}_{end:%Y%m%dT%H%M%SZ}"
        f"{'_backfill' if backfill else ''}.json.gz"
    )


def config_key(
    *,
    account_id: str,
    aws_region: str,
    channel: str,
    name: str,
    start: dt.datetime,
    end: dt.datetime | None = None,
    prefix: str = "",
) -> str:
    """Build the key of a file of AWS Config, which pads neither months nor days.

    Args:
        channel: ConfigHistory or ConfigSnapshot.
        name: the type of the resources, or the snapshot's id.
        start: when its items begin, or when the snapshot was taken; UTC.
        end: of a history, when its items end.
    """
    day = end or start
    stamp = f"{start:%Y%m%dT%H%M%SZ}"
    last = f"{name}_{stamp}_{end:%Y%m%dT%H%M%SZ}_1" if end else f"{stamp}_{name}"
    return (
        f"{_root(account_id, None, prefix)}/Config/{aws_region}/{day.year}/{day.month}/{day.day}/"
        f"{channel}/{account_id}_Config_{aws_region}_{channel}_{last}.json.gz"
    )


def _root(account_id: str, organization: str | None, prefix: str) -> str:
    before = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    within = f"{organization}/" if organization else ""
    return f"{before}AWSLogs/{within}{account_id}"
