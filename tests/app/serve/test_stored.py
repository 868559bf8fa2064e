"""Reports that nights stored in S3."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ctanalytics.app.serve.http import MAX_BYTES
from ctanalytics.app.serve.stored import days, days_or_none, read
from ctanalytics.errors import ReportError
from tests.app.serve import scene
from tests.aws_server import aws_server

DAY = dt.date(2026, 11, 10)


def test_reports_in_a_bucket_are_listed_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = scene.settings(tmp_path / "lake", **{"report.output": "s3://reports/trail"})
    with aws_server(monkeypatch) as server:
        nowhere, why = days_or_none(settings)
        assert (nowhere, bool(why)) == ({}, True)
        bucket = server.bucket("reports")
        for key in ("2026-11-10/report.html", "2026-11-09/report.html", "2026-11-10/report.json"):
            bucket.put_object(Bucket="reports", Key=f"trail/{key}", Body=key.encode())
        bucket.put_object(Bucket="reports", Key="trail/x/2026-11-08/report.html", Body=b"deeper")
        assert list(days(settings).items()) == [(DAY, 22), (dt.date(2026, 11, 9), 22)]
        assert read(settings, DAY) == b"2026-11-10/report.html"
        with pytest.raises(ReportError):
            read(settings, dt.date(2026, 11, 8))


def test_a_report_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    place = tmp_path / "reports" / "2026-11-10"
    place.mkdir(parents=True)
    with (place / "report.html").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ReportError, match="bytes"):
        read(scene.settings(tmp_path / "lake"), DAY)
