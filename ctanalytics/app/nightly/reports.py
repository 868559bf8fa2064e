"""The reports of days: which have to be written again, and where they go."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics.app.digest import digest
from ctanalytics.app.incidents.listing import list_incidents
from ctanalytics.app.nightly.records import Past
from ctanalytics.app.report import report
from ctanalytics.aws_errors import Kinds, aws_errors
from ctanalytics.errors import ReportError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

DAY: Final = dt.timedelta(days=1)

_DIGEST: Final = "report.txt"
_REPORT: Final = Kinds(ReportError, ReportError, ReportError)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=us-ascii",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A day's report."""

    location: str
    """The HTML page."""
    headline: str


def write(
    lake: Lake, settings: Settings, output: str, day: dt.datetime, now: dt.datetime
) -> Written:
    """Write a day's report and its digest below a folder or an S3 prefix.

    In S3 they are encrypted as the lake is, else with the account's KMS key for S3.

    Raises:
        ReportError: they can't be written there.
    """
    name = f"{day:%Y-%m-%d}"
    bucket = amazon.bucket_of(output)
    if bucket is None:
        _make(Path(output))
        return _into(lake, settings, Path(output) / name, str(Path(output) / name), day, now)
    place = f"{output.rstrip('/')}/{name}"
    upload = _uploader(settings, bucket)  # a bucket that can't be reached is told first
    with tempfile.TemporaryDirectory(prefix="ctanalytics-report-") as folder:
        written = _into(lake, settings, Path(folder) / name, place, day, now)
        for file in sorted((Path(folder) / name).iterdir()):
            upload(f"{name}/{file.name}", file)
    return written


def _make(folder: Path) -> None:
    """Make a folder for its owner alone; one that is there keeps its mode."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"no folder can be made there: {error.strerror or error}",
            where=str(folder),
            mend="name another folder with --output",
        ) from error


def _into(
    lake: Lake, settings: Settings, folder: Path, place: str, day: dt.datetime, now: dt.datetime
) -> Written:
    until = day + DAY
    page = report(lake, settings=settings, output=folder, since=day, until=until, now=now)
    location = f"{place}/{Path(page.html).name}"
    text = digest(lake, settings=settings, since=day, until=until, now=now, link=location)
    try:
        file = folder / _DIGEST
        file.touch(mode=0o600)
        file.write_text(text, "ascii")
    except OSError as error:
        raise ReportError(
            f"the digest can't be written: {error.strerror or error}",
            where=str(folder),
            mend="name another folder with --output",
        ) from error
    return Written(location, page.headline)


def _uploader(settings: Settings, bucket: tuple[str, str]) -> Callable[[str, Path], None]:
    """Return what puts a file below the prefix of a bucket."""
    aws = settings.lake_aws
    extra: dict[str, Any] = {"ServerSideEncryption": aws.sse or "aws:kms"}
    if aws.kms_key_id:
        extra["SSEKMSKeyId"] = aws.kms_key_id
    with aws_errors(f"s3://{bucket[0]}", _REPORT):
        client = amazon.client("s3", aws, region=amazon.bucket_region(bucket[0], aws))

    def upload(name: str, file: Path) -> None:
        key = "/".join(filter(None, (bucket[1].strip("/"), name)))
        with aws_errors(f"s3://{bucket[0]}/{key}", _REPORT):
            client.put_object(
                Bucket=bucket[0],
                Key=key,
                Body=file.read_bytes(),
                ContentType=_TYPES.get(file.suffix, "application/octet-stream"),
                **extra,
            )

    return upload


def changed_days(
    lake: Lake, day: dt.datetime, before: Sequence[Past], now: dt.datetime, again_days: int
) -> list[dt.datetime]:
    """Return earlier days that got events or changed incidents since the last night reported.

    Args:
        again_days: how far back to look.

    Returns:
        Midnights at their starts, the oldest first; none before the first report.
    """
    last = _last_report(before)
    if last is None or not again_days:
        return []
    plan_id, reported_at = last
    first = day - again_days * DAY
    with lake.engine() as engine:
        rows = engine.run("nightly/changed_days", since=first, until=day, plan_id=plan_id)
    found = {dt.datetime.combine(row["event_date"], dt.time(), dt.UTC) for row in rows.to_pylist()}
    for row in list_incidents(lake, since=first, until=day):
        if row["detected_at"] > reported_at:
            found |= set(_days(max(row["started_at"], first), min(row["ended_at"] or now, day)))
    return sorted(found)


def _days(start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    midnight = start.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = [midnight]
    while found[-1] + DAY < end:
        found.append(found[-1] + DAY)
    return found


def _last_report(before: Sequence[Past]) -> tuple[int, dt.datetime] | None:
    """Up to which ingest, and when, the last night that wrote reports did so."""
    for night in before:
        row = night.steps.get("report")
        if row is not None and row["state"] == "done":
            plan_id = json.loads(row["counts"]).get("plan_id")
            if isinstance(plan_id, int):
                return plan_id, row["started_at"]
    return None
