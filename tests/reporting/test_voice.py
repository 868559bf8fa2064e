"""Languages and time zones: the catalogues agree, and nothing English is left on a Japanese page."""

from __future__ import annotations

import datetime as dt
import json
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ctanalytics import findings
from ctanalytics.detectors import behaviour_words, novelty_words
from ctanalytics.emitters import deciding, outbox
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import UsageError
from ctanalytics.incidents import attack, story
from ctanalytics.integrity import verdict
from ctanalytics.lake import quarantine
from ctanalytics.records import runs
from ctanalytics.reporting import charts, render, retold, text, wrapping
from ctanalytics.reporting.document import Document
from ctanalytics.reporting.voice import ENGLISH, LANGUAGES, Voice, catalogue, spaced, voice_of
from tests.reporting import scene, test_render
from tests.reporting.test_charts import HEAT

TOKYO = voice_of("ja", "Asia/Tokyo")
HOUR = dt.timedelta(hours=1)

KINDS = (
    "surge",
    "drop",
    "stop",
    "telemetry_gap",
    "error_surge",
    "first_seen",
    "travel",
    "behaviour",
    "silence",
    "rule",
)


class Prose(HTMLParser):
    """Reads what a page says in its own language: no code, no style, nothing marked as English."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skipped: list[str] = []
        self.said: list[str] = []
        self.labels: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("meta", "wbr"):
            return
        foreign = tag in ("code", "pre", "style") or (tag != "html" and given.get("lang") == "en")
        if self.skipped or foreign:
            self.skipped.append(tag)
        elif given.get("aria-label"):
            self.labels.append(str(given["aria-label"]))

    def handle_endtag(self, tag: str) -> None:
        if self.skipped:
            assert self.skipped.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.said.append(data)


def placeholders(message: str) -> set[tuple[str, str]]:
    return {
        (name, spec or "")
        for _, name, spec, _ in string.Formatter().parse(message)
        if name is not None
    }


def test_catalogues_have_the_same_keys_and_placeholders() -> None:
    english, japanese = (catalogue("messages", language) for language in LANGUAGES)
    assert english.keys() == japanese.keys()
    differing = {
        key for key in english if placeholders(english[key]) != placeholders(japanese[key])
    }
    assert not differing


def _whole(key: str) -> tuple[str, str]:
    """A key, and what a plural is asked for by."""
    return key, key.rpartition(".")[0]


def test_every_message_is_said_somewhere() -> None:
    folder = Path(render.__file__).parent
    code = "".join(
        path.read_text("utf-8")
        for pattern in ("*.py", "templates/**/*")
        for path in folder.glob(pattern)
        if path.is_file()
    )
    families = ("columns", "columns_of", "captions", "facts", "count", "ago", "length", "serve")
    unused = {
        key
        for key in catalogue("messages", "en")
        if key.split(".")[0] not in families
        and not any(f"{quote}{part}{quote}" in code for quote in "'\"" for part in _whole(key))
        and not any(f'"{key[:place]}{{' in code for place in range(len(key)))
    }
    assert not unused


def vocabularies() -> Iterator[str]:
    yield from findings.SEVERITIES
    yield from findings.STATES
    yield from findings.OUTCOMES
    yield from findings.VERDICTS
    yield from KINDS
    yield from runs.RUN_STATES
    yield from quarantine.REASONS
    yield from verdict.VERDICTS
    yield from attack._facts()["order"]
    yield from filter(None, (attack.next_step(tactic) for tactic in attack._facts()["order"]))
    yield from (
        value
        for module in (deciding, outbox)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    )
    yield from story.LINKS
    sql = Path(findings.__file__).parent / "sql"
    for name in ("posture", "completeness_spans", "apis", "first_seen"):
        statement = (sql / "reporting" / f"{name}.sql").read_text("utf-8")
        yield from re.findall(r"(?:then|else) '([A-Za-z ]+)'", statement)


def test_what_the_lake_holds_in_english_words_has_japanese_ones() -> None:
    stored = catalogue("stored", "ja")
    assert {word for word in vocabularies() if f"words.{word}" not in stored} == set()

    def family(name: str) -> set[str]:
        return {key.partition(".")[2] for key in stored if key.startswith(f"{name}.")}

    assert family("features") == set(behaviour_words.PHRASES)
    assert family("firsts") == set(novelty_words._CLAUSES)
    assert set(KINDS) < family("titles")
    assert set(KINDS) < family("sentences")


def of_kind(kind: str, **columns: Any) -> dict[str, Any]:
    row = scene.anomaly(principal_arn=scene.DORA, error_code=None, insight=None)
    return row | {"kind": kind} | columns


SURGED = scene.evidence(rate=scene.rate(scene.SINCE + 30 * HOUR, [2, 40, 40]))


@pytest.mark.parametrize(
    ("row", "title", "sentence"),
    [
        pytest.param(
            of_kind("surge", insight=json.dumps({"start": scene.insight(), "end": None})),
            "アカウント 111122223333 の eu-west-1 で RunInstances の呼び出しが急増",
            "アカウント 111122223333 の eu-west-1 で、RunInstances が 30 分の間に 2 回呼び出されました。"
            "主な呼び出し元はユーザー dora です。"
            "1 分あたりの平均は 12.4 回で、直前の 7 日間の平均は 0.0184 回です。",
            id="surge",
        ),
        pytest.param(
            of_kind("drop", ended_at=None, evidence=SURGED),
            "アカウント 111122223333 の eu-west-1 で RunInstances の呼び出しが減少",
            "アカウント 111122223333 の eu-west-1 で、RunInstances の呼び出しが 45 分前から"
            "通常より減少しています。1 分あたりの平均は 27.3 回で、想定は 1.5 回です。",
            id="drop that goes on",
        ),
        pytest.param(
            of_kind("silence", event_name="StopLogging"),
            "アカウント 111122223333 の eu-west-1 のログが途絶",
            "アカウント 111122223333 の eu-west-1 のログが、2026-11-11 15:00 (JST) から 30 分にわたって"
            "途絶えました。ユーザー dora が StopLogging を呼び出しています。",
            id="silence",
        ),
        pytest.param(
            of_kind(
                "behaviour",
                evidence=scene.evidence(
                    features=[
                        {"feature": "calls", "value": 9, "own_most": 12},
                        {
                            "feature": "secret_calls",
                            "value": 41,
                            "own_most": 0,
                            "peers": 23,
                            "peers_most": 2,
                            "names": ["GetSecretValue"],
                        },
                    ]
                ),
            ),
            "ユーザー dora がシークレットまたはパラメータを 41 回読み取りました",
            "ユーザー dora が、シークレットまたはパラメータを 41 回読み取り、9 回呼び出しました。"
            "主な対象は GetSecretValue です。"
            "1 日あたりの過去最大は 0、同種のプリンシパル 23 件の最大は 2 です。",
            id="behaviour",
        ),
        pytest.param(
            of_kind(
                "first_seen",
                principal_arn="arn:aws:iam::111122223333:root",
                evidence=scene.evidence(
                    first_seen=[
                        {"kind": "api", "value": "iam.amazonaws.com:CreateUser"},
                        {"kind": "region", "value": "sa-east-1"},
                    ],
                    peers=4,
                    peers_alike=1,
                ),
            ),
            "アカウント 111122223333 のルートユーザーが初めて CreateUser を呼び出しました",
            "アカウント 111122223333 のルートユーザーが、CreateUser を呼び出し、sa-east-1 で操作しました。"
            "いずれも、これまでに記録のない操作です。"
            "同種のプリンシパル 4 件のうち、同じ操作の記録があるものは 1 件です。",
            id="first seen",
        ),
        pytest.param(
            of_kind(
                "rule",
                title="Trail: stopped: user dora in 111122223333",
                error_code="AccessDenied",
                aws_region=None,
            ),
            "Trail: stopped: ユーザー dora (アカウント 111122223333)",
            "ユーザー dora が、アカウント 111122223333 で RunInstances を 2 回呼び出しました。"
            "すべて AccessDenied で失敗しています。ルール「Trail: stopped」に一致します。",
            id="rule",
        ),
        pytest.param(
            of_kind("new kind", principal_arn=None, account_id=None, aws_region=None),
            "複数のアカウントで特定できない実行者の異常を検出",
            "複数のアカウントで、特定できない実行者について 2 件のイベントからなる異常を検出しました。",
            id="a kind that nobody knows",
        ),
    ],
)
def test_an_anomaly_is_told_from_its_row(row: dict[str, Any], title: str, sentence: str) -> None:
    found = retold.told(TOKYO, row)
    assert (found.title, found.explanation) == (title, sentence)
    assert found.original == row["explanation"]
    assert retold.told(ENGLISH, row) == retold.Told(row["title"], row["explanation"])


def test_spaces_stand_where_letters_of_two_kinds_meet_and_values_stay_as_they_are() -> None:
    assert spaced("{a}が{b}を", {"a": "ci", "b": "鍵"}) == "ci が鍵を"
    assert spaced("元は {a} です", {"a": "ロール"}) == "元はロールです"
    assert spaced("{n:,} 件", {"n": 1234}) == "1,234 件"
    assert spaced("「{a}」", {"a": "山田 x太郎"}) == "「山田 x太郎」"


def rows() -> dict[str, list[dict[str, Any]]]:
    """Something for every part of a report."""
    many = [
        of_kind(
            kind,
            series_key=kind,
            anomaly_id=f"{place:032x}",
            started_at=scene.SINCE + (20 + place) * HOUR,
            ended_at=scene.SINCE + (21 + place) * HOUR if place % 2 else None,
            insight=json.dumps({"start": scene.insight(), "end": None}) if place < 2 else None,
            evidence=SURGED if place else scene.evidence(),
            title="Rule of ours: user dora in 111122223333",
            severity=findings.SEVERITIES[place % 5],
        )
        for place, kind in enumerate(KINDS)
    ]
    incident = scene.incident(
        *many[:3],
        story="dora did it.\nHow unusual: 2 incidents of the 30 days before were as grave.",
        next_steps=[attack.next_step("impact")],
        severity="high",
        ended_at=None,
        people=["dora@example.com"],
        networks=["198.51.100.0/24"],
        linked_by=["network", "principal"],
        access_key_ids=["AKIAIOSFODNN7EXAMPLE"],
        aws_regions=["eu-west-1"],
    )
    reasons = (deciding.BACKFILL, deciding.QUIET, "AccessDenied")
    alerts = [
        {
            "anomaly_id": many[place]["anomaly_id"],
            "state": "closed",
            "revision": 1,
            "target": "sns:arn:aws:sns:eu-west-1:111122223333:alerts",
            "outcome": outcome,
            "reason": reasons[place],
            "attempts": place + 1,
            "at": scene.UNTIL,
        }
        for place, outcome in enumerate(("suppressed", "pending", "dead_letter"))
    ]
    late = {"plan_id": 1, "ingested_at": scene.UNTIL, "bucket": "logs"}
    return {
        "events": [
            *scene.calls(),
            scene.sign_in(scene.SINCE + HOUR, "Failure"),
            scene.sign_in(scene.SINCE + 2 * HOUR, mfa="No", principal_type="root"),
        ],
        "anomalies": many,
        "incidents": [incident],
        "outbox": alerts,
        "log_files": [late | {"key": "a", "state": "partial", "reason": "not_json", "kind": "log"}],
        "quarantine": [
            {"bucket": "logs", "key": "a", "record": 1, "reason": "not_json", "detail": "no end"}
            | {"content": b"{", "plan_id": 1, "quarantined_at": scene.UNTIL}
        ],
        "marks": [
            {"anomaly_id": many[0]["anomaly_id"], "verdict": "benign", "note": "a test of ours"}
            | {"marked_by": "dora", "marked_at": scene.UNTIL}
        ],
        "behaviour_drift": [
            {"judged_date": scene.SINCE.date(), "measure": "psi", "feature": "calls"}
            | {"value": 0.9, "principals": 4, "measured_at": scene.UNTIL}
        ],
    }


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with scene.engine(tmp_path_factory.mktemp("voices"), **rows()) as found:
        yield found


@pytest.fixture(scope="module")
def japanese(engine: Engine) -> Document:
    return scene.document(engine, voice=TOKYO)


NAMES = re.compile(
    r"CloudTrail|Insights|Identity Center|GuardDuty|Config|AWS|IAM|UTC|JST|Asia/Tokyo|API|SQL|JSON"
    r"|MFA|ATT&CK|ARN|ID|PSI|ctanalytics( -*[a-z]+)*|report\.json|role_chains|sessions|StopLogging"
    r"|RunInstances|DescribeInstances|AccessDenied|eu-west-1|us-east-1|dora(@example\.com)?|Rule of ours"
    r"|AKIA[A-Z0-9]+|T1496|shop-prod|Failed authentication|call_rate|call-rate|[KMG]B|p ="
)


def test_no_english_is_left_on_the_japanese_page(japanese: Document) -> None:
    page = render.html(japanese)
    assert '<html lang="ja">' in page
    assert {section.name for section in japanese.sections} >= {"alerts", "judgement", "set_aside"}
    prose = Prose(page)
    left = [
        found
        for said in (*prose.said, *prose.labels)
        for found in re.findall(r"[A-Za-z]{2,}", NAMES.sub("", said))
    ]
    assert left == []
    assert page.count('<p lang="en">') == len(KINDS) + len(
        rows()["incidents"][0]["story"].split("\n")
    )


def test_the_same_facts_are_told_in_both_languages(engine: Engine, japanese: Document) -> None:
    english = scene.document(engine)
    one, other = (json.loads(render.data(told)) for told in (english, japanese))
    assert (other["language"], other["timezone"]) == ("ja", "Asia/Tokyo")
    assert [row["anomaly_id"] for row in one["anomalies"]] == [
        row["anomaly_id"] for row in other["anomalies"]
    ]
    assert [row["started_at"] for row in one["anomalies"]] == [
        row["started_at"] for row in other["anomalies"]
    ]
    assert one["facts"] == other["facts"]
    for name, section in one["sections"].items():
        assert section["facts"] == other["sections"][name]["facts"]
        for table, found in section["tables"].items():
            shown = other["sections"][name]["tables"][table]
            assert shown["rows"] == found["rows"], table


def test_times_and_hours_are_those_of_the_zone_and_it_is_named(engine: Engine) -> None:
    berlin = scene.document(engine, voice=voice_of("en", "Europe/Berlin"))
    page, read = render.html(berlin), render.text(berlin)
    # The span begins at midnight UTC.
    for told in (page, read):
        assert "2026-11-10 01:00 to 2026-11-13 01:00 CET" in told
        assert "All times are Europe/Berlin" in told
        assert " UTC" not in re.sub("(?s)<pre.*?</pre>|```.*?```|lang=.en.>.*?<", "", told)
    (heat,) = (f for s in berlin.sections for f in s.figures if f.kind == "heat")
    assert heat.title == "Calls by day and hour of day, CET"
    assert "Over 4 days" in heat.description
    cells = charts._spec(heat, berlin.voice)["datasets"]["points"]
    assert cells[0] == {"day": "Tue 10 Nov", "hour": 1, "calls": heat.points[0][1]}
    assert json.loads(render.data(berlin))["since"] == "2026-11-10T00:00:00Z"
    (rate,) = [e.figure for e in berlin.entries[-1:]]
    assert rate is not None
    moved = charts._spec(rate, berlin.voice)["datasets"]["points"][0]["t"]
    assert moved == charts._spec(rate, ENGLISH)["datasets"]["points"][0]["t"] + 3_600_000


def test_the_hour_that_comes_twice_is_one_cell() -> None:
    berlin = voice_of("en", "Europe/Berlin")
    back = dt.datetime(2026, 10, 25, tzinfo=dt.UTC)
    points = tuple((back + hour * HOUR, 1.0, None) for hour in range(3))
    figure = replace(HEAT, points=points)
    cells = charts._spec(figure, berlin)["datasets"]["points"]
    assert cells == [
        {"day": "Sun 25 Oct", "hour": 2, "calls": 2.0},
        {"day": "Sun 25 Oct", "hour": 3, "calls": 1.0},
    ]


@pytest.mark.parametrize(
    ("zone", "named"),
    [
        ("UTC", "UTC"),
        ("Asia/Tokyo", "JST"),
        ("America/Sao_Paulo", "UTC-03"),
        ("Asia/Kolkata", "IST"),
    ],
)
def test_a_zone_is_named_as_its_clock_does(zone: str, named: str) -> None:
    assert voice_of("en", zone).zone_name(scene.SINCE) == named


def test_there_is_no_other_language_or_zone() -> None:
    with pytest.raises(UsageError, match="'fr'"):
        voice_of("fr")
    with pytest.raises(UsageError, match="Mars"):
        voice_of("en", "Mars/Olympus")


def mail(engine: Engine, voice: Voice, days: int = 3) -> str:
    found = text.read(
        engine,
        since=scene.SINCE,
        until=scene.SINCE + dt.timedelta(days=days),
        now=scene.NOW,
        newest_event=scene.UNTIL,
        link="https://reports.example.com/2026-11-10/report.html",
        voice=voice,
    )
    return text.text(found)


def test_the_mail_is_japanese_too_and_its_lines_fit(engine: Engine) -> None:
    said = mail(engine, TOKYO)
    lines = said.splitlines()
    assert max(map(wrapping.columns, lines)) <= text.WIDTH
    assert len(said.encode()) <= text.MAX_BYTES
    assert lines[0] == "CloudTrail レポート 2026-11-10 09:00 ～ 2026-11-13 09:00 (JST)"
    assert "レポート全体: https://reports.example.com/2026-11-10/report.html" in said
    assert "何が削除、暗号化、または起動されたか" in said
    left = re.findall(r"[A-Za-z]{2,}", NAMES.sub("", re.sub(r"https?://\S+", "", said)))
    assert left == []
    first = mail(engine, voice_of("ja"), days=1).splitlines()[0]
    assert first == "CloudTrail レポート 2026-11-10 (火) UTC"


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        pytest.param("ああああ。", ["ああああ。"], id="a mark hangs over"),
        pytest.param(
            "ああarn:aws:iamああ", ["ああ", "  arn:aws:iam", "  ああ"], id="words stay whole"
        ),
        pytest.param("  ああああ", ["  あああ", "    あ"], id="what goes on is indented"),
        pytest.param("", [""], id="an empty line stays"),
    ],
)
def test_wide_letters_are_counted_twice(line: str, broken: list[str]) -> None:
    assert list(wrapping.wide([line], 8)) == broken


def test_hostile_text_is_as_inert_in_japanese(tmp_path: Path) -> None:
    with scene.engine(tmp_path, **scene.hostile_tables()) as engine:
        hostile = scene.document(engine, voice=TOKYO)
        said = mail(engine, TOKYO)
    test_render.test_hostile_text_adds_no_element_and_no_attribute(
        test_render.Page(render.html(hostile))
    )
    test_render.test_hostile_text_stays_text_in_markdown(hostile)
    for form in (render.text, render.data):
        test_render.test_no_control_or_bidi_character_is_left(hostile, form)
    assert all(one == "\n" or one.isprintable() for one in said)
