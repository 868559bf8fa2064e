from __future__ import annotations

import datetime as dt
import json
import stat
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.app.digest import digest
from ctanalytics.app.report import report, span_of
from ctanalytics.cli.main import main
from ctanalytics.errors import ReportError, UsageError
from ctanalytics.findings import ANOMALIES
from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import EVENTS
from ctanalytics.settings import Detect, LakeAws, Report, Settings
from tests.aws_server import Server, aws_server
from tests.reporting import scene

FILES = ("report.html", "report.md", "report.json")
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake of three days of calls with one anomaly, as an ingest and a detection leave it."""
    found = Lake.create(tmp_path_factory.mktemp("report") / "lake")
    found.append("events", pa.Table.from_pylist(scene.calls(), EVENTS))
    row = scene.anomaly(evidence=scene.evidence(rate=scene.rate(scene.SINCE + DAY, [1, 2, 40, 1])))
    found.append("anomalies", pa.Table.from_pylist([row], ANOMALIES))
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as monkeypatch, aws_server(monkeypatch) as running:
        yield running


def said(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text("ascii"))
    return found


def test_three_forms_are_written_for_their_owner_alone(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    found = report(lake, settings=Settings(), output=folder, since=scene.SINCE, until=scene.UNTIL)
    assert (found.html, found.markdown, found.json) == tuple(str(folder / name) for name in FILES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == {0o600}


def test_a_report_that_is_there_is_replaced_and_closed_to_others(
    lake: Lake, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    for name in FILES:
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o644)
    report(lake, settings=Settings(), output=tmp_path, since=scene.SINCE, until=scene.UNTIL)
    assert all((tmp_path / name).read_text("utf-8") != "old" for name in FILES)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in FILES} == {0o600}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_result_says_what_the_report_says(lake: Lake, tmp_path: Path) -> None:
    found = report(lake, settings=Settings(), output=tmp_path, since=scene.SINCE, until=scene.UNTIL)
    assert found.events == said(tmp_path)["facts"]["events"] == 400
    assert found.anomalies == {"critical": 0, "high": 1, "medium": 0, "low": 0, "info": 0}
    assert found.headline == said(tmp_path)["headline"] == "1 anomaly: 1 high."


def test_same_lake_and_time_give_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    for name in ("one", "two"):
        report(lake, settings=Settings(), output=tmp_path / name, now=scene.NOW)
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_health_tells_the_lakes_place_and_size(lake: Lake, tmp_path: Path) -> None:
    report(lake, settings=Settings(), output=tmp_path, now=scene.NOW)
    facts = said(tmp_path)["sections"]["health"]["facts"]
    on_disk = sum(
        Path(file).stat().st_size for name in ("events", "anomalies") for file in lake.files(name)
    )
    assert (facts["lake"], facts["lake_bytes"]) == (lake.uri, on_disk)
    assert facts["lake_files"] == len(lake.files("events")) + len(lake.files("anomalies"))


class TestSpan:
    """Which span is reported."""

    @staticmethod
    def span(lake: Lake, folder: Path, **given: Any) -> tuple[dt.datetime, dt.datetime]:
        settings = Settings(detect=Detect(days=2))
        found = report(lake, settings=settings, output=folder, now=scene.NOW, **given)
        return found.since, found.until

    def test_by_default_it_is_that_of_detect_up_to_the_newest_event(
        self, lake: Lake, tmp_path: Path
    ) -> None:
        since, until = self.span(lake, tmp_path)
        newest = max(row["event_time"] for row in scene.calls())
        assert newest < until <= newest + dt.timedelta(minutes=1)
        assert since == scene.SINCE

    def test_until_alone_goes_back_the_days_of_detect(self) -> None:
        newest = max(row["event_time"] for row in scene.calls())
        found = span_of(None, scene.UNTIL, newest=newest, now=scene.NOW, days=2)
        assert found == (scene.UNTIL - 2 * DAY, scene.UNTIL)

    def test_since_after_the_newest_event_reaches_to_now(self) -> None:
        newest, since = scene.UNTIL, scene.UNTIL + dt.timedelta(hours=1)
        found = span_of(since, None, newest=newest, now=scene.NOW, days=2)
        assert found == (since, scene.NOW)

    def test_an_empty_span_is_refused(self, lake: Lake, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is not before"):
            self.span(lake, tmp_path, since=scene.UNTIL, until=scene.SINCE)

    def test_an_empty_lake_gives_an_honest_report(self, tmp_path: Path) -> None:
        empty = Lake.create(tmp_path / "lake")
        self.span(empty, tmp_path / "report")
        assert said(tmp_path / "report")["headline"] == "The lake has no events of this span."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("file/report", "this is a file, or lies below one", id="below-a-file"),
        pytest.param("n" * 300, "can't be written: File name too long", id="too-long"),
    ],
)
def test_a_folder_that_can_not_be_written_is_told(
    lake: Lake, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match=said) as caught:
        report(lake, settings=Settings(), output=tmp_path / name, now=scene.NOW)
    assert str(tmp_path) in caught.value.where
    assert "--output" in caught.value.mend


def test_a_report_in_a_bucket_is_encrypted_with_the_lakes_key(lake: Lake, server: Server) -> None:
    server.bucket("reports")
    s3 = server.client("s3")
    key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    settings = Settings(lake_aws=LakeAws(sse="aws:kms", kms_key_id=key))
    found = report(lake, settings=settings, output="s3://reports/daily/", now=scene.NOW)
    assert found.html == "s3://reports/daily/report.html"
    for name in FILES:
        object_ = s3.get_object(Bucket="reports", Key=f"daily/{name}")
        assert (object_["ServerSideEncryption"], object_["SSEKMSKeyId"]) == ("aws:kms", key)
        grants = s3.get_object_acl(Bucket="reports", Key=f"daily/{name}")["Grants"]
        assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]  # its owner alone
    page = s3.get_object(Bucket="reports", Key="daily/report.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert page["Body"].read().decode() == read(lake, "html")
    with pytest.raises(ReportError, match="bucket"):
        report(lake, settings=settings, output="s3://not-there/daily", now=scene.NOW)


def read(lake: Lake, form: str) -> str:
    """The same report from a folder."""
    with tempfile.TemporaryDirectory() as folder:
        report(lake, settings=Settings(), output=Path(folder) / "report", now=scene.NOW)
        return (Path(folder) / "report" / f"report.{form}").read_text("utf-8")


@pytest.mark.parametrize(
    ("told", "link"),
    [
        pytest.param(Report(), "", id="nobody said where"),
        pytest.param(
            Report(output="s3://reports/daily/"),
            "s3://reports/daily/2026-11-11/report.html",
            id="bucket",
        ),
        pytest.param(
            Report(output="s3://reports/daily", url="https://reports.example.com/trail/"),
            "https://reports.example.com/trail/2026-11-11/report.html",
            id="url",
        ),
    ],
)
def test_a_days_mail_links_to_its_report(lake: Lake, told: Report, link: str) -> None:
    day = scene.SINCE + DAY
    text = digest(lake, settings=Settings(report=told), since=day, until=day + DAY, now=scene.NOW)
    assert [word for word in text.split() if "report.html" in word] == ([link] if link else [])
    later = dt.timedelta(hours=9)  # of no night's day there is a report
    text = digest(lake, settings=Settings(report=told), since=day + later, until=day + DAY + later)
    assert "report.html" not in text


class TestCommand:
    """`ctanalytics report`."""

    def test_day_is_a_utc_day(
        self, lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        day = ["--day", "2026-11-11", "--top", "3", "--output", str(tmp_path)]
        assert main(["report", "--lake", lake.uri, *day]) == 0
        out = capsys.readouterr().out
        assert out == f"1 anomaly: 1 high.\n{tmp_path / 'report.html'}\n"
        found = said(tmp_path)
        assert (found["since"], found["until"]) == ("2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z")

    def test_day_is_one_of_the_zone_and_language_that_are_asked_for(
        self, lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        told = ["--language", "ja", "--timezone", "Asia/Tokyo", "--output", str(tmp_path)]
        assert main(["report", "--lake", lake.uri, "--day", "2026-11-11", *told]) == 0
        assert capsys.readouterr().out == f"異常 1 件 (高 1 件)\n{tmp_path / 'report.html'}\n"
        found = said(tmp_path)
        assert (found["since"], found["until"]) == ("2026-11-10T15:00:00Z", "2026-11-11T15:00:00Z")
        assert (found["language"], found["timezone"]) == ("ja", "Asia/Tokyo")
        page = (tmp_path / "report.html").read_text("utf-8")
        assert '<html lang="ja">' in page
        assert "2026-11-11 00:00 ～ 2026-11-12 00:00 (JST)" in page
        assert main(["report", "--lake", lake.uri, "--timezone", "Mars/Olympus"]) == 2
        assert "report.timezone" in capsys.readouterr().err

    def test_open_hands_the_page_to_the_browser(
        self, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser = tmp_path / "browser"
        browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
        browser.chmod(0o700)
        monkeypatch.setenv("BROWSER", str(browser))
        monkeypatch.setattr(webbrowser, "_tryorder", None)  # it reads BROWSER once
        shown = ["report", "--lake", lake.uri, "--day", "2026-11-10", "--open"]
        assert main([*shown, "--output", str(tmp_path / "page")]) == 0
        page = (tmp_path / "page" / "report.html").as_uri()
        assert (tmp_path / "opened").read_text() == page
        assert main([*shown, "--output", "s3://reports/daily"]) == 2
        assert main([*shown, "--format", "text"]) == 2

    def test_json_says_where_it_lies(
        self, lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        span = ["--since", "2026-11-10", "--until", "2026-11-10T06:00:00Z"]
        assert main(["report", "--lake", lake.uri, "--output", str(tmp_path), *span, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["html"] == str(tmp_path / "report.html")
        assert found["until"] == "2026-11-10T06:00:00Z"
        assert found["events"] == 36

    @pytest.mark.parametrize(
        "flags",
        [
            pytest.param(["--day", "2026-11-11", "--since", "2026-11-10"], id="day-and-since"),
            pytest.param(["--day", "2026-11-11T06:00:00Z"], id="no-day"),
            pytest.param(["--since", "yesterday"], id="no-time"),
            pytest.param(["--since", "2026-11-12", "--until", "2026-11-11"], id="backwards"),
            pytest.param(["--top", "0"], id="no-rows"),
        ],
    )
    def test_wrong_usage_writes_nothing(
        self, lake: Lake, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "report"
        assert main(["report", "--lake", lake.uri, "--output", str(folder), *flags]) == 2
        assert not folder.exists()
        assert capsys.readouterr().out == ""

    def test_top_and_output_come_from_the_settings_too(
        self, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CTANALYTICS_LAKE", lake.uri)
        monkeypatch.setenv("CTANALYTICS_REPORT_OUTPUT", str(tmp_path / "there"))
        monkeypatch.setenv("CTANALYTICS_REPORT_TOP", "1")
        assert main(["report"]) == 0
        tables = said(tmp_path / "there")["sections"]["activity"]["tables"]
        assert [len(table["rows"]) for table in tables.values()] == [1, 1, 1, 1]


def test_top_of_the_settings_is_twenty() -> None:
    assert Settings().report == Report(output="report", top=20)
