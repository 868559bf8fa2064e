"""An intruder's story, told by records: what of it does an investigation find, and what not."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.app import investigate_subject as subjects
from ctanalytics.app.investigate import InvestigateResult, investigate
from ctanalytics.errors import CtanalyticsError, UsageError
from ctanalytics.lake.lake import Lake
from tests.app.investigating import (
    DEV,
    DORA,
    FIRST,
    FOREIGN,
    INTRUDER,
    KEY,
    NEW_KEY,
    NIGHT,
    PROD,
    SECOND,
    ask,
    credentials,
    home,
    ids,
    of_key,
    rows,
)
from tests.sql import chains

__all__ = ["home", "ids", "of_key"]  # fixtures


def test_credentials_are_followed_across_accounts_and_nobody_elses_are(
    of_key: InvestigateResult,
) -> None:
    assert credentials(of_key) == {
        KEY: "subject",
        NEW_KEY: "derived",
        FIRST: "derived",
        SECOND: "derived",
        "ASIACLOUDFORMEXAMPLE": "derived",
    }
    facts = of_key.data()["facts"]
    assert (facts["calls"], facts["accounts"], facts["derived_credentials"]) == (26, 2, 4)
    second = next(
        row for row in rows(of_key, "sessions", "sessions") if row["session_id"] == SECOND
    )
    assert (second["parent_session_id"], second["issued_by"]) == (FIRST, "AssumeRole")
    assert (second["root_principal"], second["hop"]) == (DORA, 2)
    assert second["account_name"] == "Development <b>"


def test_what_it_left_behind_is_told_with_its_use_and_its_end(of_key: InvestigateResult) -> None:
    left = {row["event_name"]: row for row in rows(of_key, "persistence", "persistence")}
    assert left.keys() == {"CreateUser", "CreateAccessKey", "RunInstances", "PutBucketPolicy"}
    assert left["CreateAccessKey"]["target"] == NEW_KEY
    assert left["CreateAccessKey"]["calls"] == 2
    assert left["CreateAccessKey"]["undone"].startswith("DeleteAccessKey 2026-03-12 12:00 by ")
    assert left["CreateUser"]["undone"] is None
    (after,) = rows(of_key, "persistence", "aftermath")
    assert (after["principal_arn"], after["calls"]) == (f"arn:aws:iam::{PROD}:user/svc-backup", 2)


def test_created_changed_and_read_are_told_apart(of_key: InvestigateResult) -> None:
    created = {row["resource"] for row in rows(of_key, "resources", "created")}
    assert created == {
        "svc-backup", f"arn:aws:iam::{PROD}:user/svc-backup", NEW_KEY, "i-0123456789abcdef0", "stack-bucket",
    }  # fmt: skip
    assert "pay-records" in {row["resource"] for row in rows(of_key, "resources", "changed")}
    assert [row["calls"] for row in rows(of_key, "resources", "read")] == [1]
    (recorded,) = rows(of_key, "config", "config")
    assert (recorded["event_name"], recorded["item_id"]) == ("PutBucketPolicy", "item-24")


def test_probes_news_neighbours_and_lanes(of_key: InvestigateResult) -> None:
    (refused,) = rows(of_key, "denied", "denied")
    assert (refused["event_name"], refused["calls"], refused["later_calls"]) == ("ListUsers", 3, 1)
    news = {row["value"]: row for row in rows(of_key, "first_seen", "first_seen")}
    assert news["198.51.100.0/24"]["known_days"] == 11
    assert "ec2.amazonaws.com:DescribeInstances" not in news
    others = rows(of_key, "networks", "shared_addresses")
    # Calls of the case are none of these, the other account's copy of one of them included.
    assert {(row["principal"].rpartition("/")[2], row["calls"]) for row in others} == {
        ("erin", 12),
        ("admin", 1),
        ("deploy", 1),
    }
    lanes = of_key.data()["parts"]["tactics"]["lanes"]
    assert [mark["title"] for mark in lanes["persistence"] if mark["rule"]] == ["User made"]
    assert any("StopLogging" in mark["title"] for mark in lanes["defense-evasion"])


def test_anomalies_and_incidents_of_its_principals_and_credentials(
    of_key: InvestigateResult,
) -> None:
    assert [row["anomaly_id"] for row in rows(of_key, "anomalies", "anomalies")] == ["a1"]
    (incident,) = rows(of_key, "anomalies", "incidents")
    assert (incident["incident_id"], incident["anomalies"]) == ("i1", 1)


def test_the_evidence_s_gaps_are_told(of_key: InvestigateResult) -> None:
    part = of_key.data()["parts"]["gaps"]
    assert any("validate" in sentence for sentence in part["sentences"])
    assert [row["event_name"] for row in part["tables"]["tampering"]["rows"]] == ["StopLogging"]
    assert "stopped" in {row["state"] for row in part["tables"]["gaps"]["rows"]}


SHOWN = {
    "What was done, step by step": ("timeline", "timeline"),
    "All credentials of the case": ("sessions", "sessions"),
    "Whom the subject called as": ("sessions", "who"),
    "What these users and roles did": ("persistence", "aftermath"),
    "Created": ("resources", "created"),
    "Refused calls by API": ("denied", "denied"),
    "What these principals did for the first time": ("first_seen", "first_seen"),
    "Networks of the calls": ("networks", "networks"),
    "What else came from these addresses": ("networks", "shared_addresses"),
    "Recorded changes that these calls explain": ("config", "config"),
    "Anomalies of these principals": ("anomalies", "anomalies"),
    "Incidents that name them": ("anomalies", "incidents"),
    "Verdicts on the files of these events": ("gaps", "files"),
}


def test_the_sql_behind_each_part_gives_its_rows_on_the_lake_itself(
    home: Path, of_key: InvestigateResult
) -> None:
    found = of_key.found
    with Lake.open(home / "lake").engine(since=found.since, until=found.until) as engine:
        for part in found.parts:
            for query in part.queries:
                answered = engine.query(query.sql).to_pylist()
                if query.about in SHOWN:
                    shown = rows(of_key, *SHOWN[query.about])
                    assert len(answered) == len(shown), query.about
                    for one, other in zip(answered, shown, strict=True):
                        same = {name: one[name] for name in other.keys() & one.keys()}
                        assert json.loads(json.dumps(same, default=_text)) == other, query.about
    assert SHOWN.keys() <= {query.about for part in found.parts for query in part.queries}


def _text(value: dt.datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def test_log_content_stays_text_on_the_page(of_key: InvestigateResult) -> None:
    assert of_key.html and of_key.json
    page = Path(of_key.html).read_text("utf-8")
    assert "alert(1)" in page
    assert "<script" not in page.lower()
    assert page.count("</style>") == 1
    assert "\u202e" not in page
    assert "<b>" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy and policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page)
    assert Path(of_key.html).stat().st_mode & 0o077 == 0
    text = Path(of_key.json).read_text("ascii")
    assert json.loads(text)["format"] == "ctanalytics-investigation"


def test_an_address_owns_its_calls_and_what_came_of_them_alone(home: Path) -> None:
    found = ask(home, "ip", f"{INTRUDER}/32", rows=50)
    kinds = credentials(found)
    assert kinds[KEY] == "subject"
    assert kinds[NEW_KEY] == "derived"
    # The office's calls with the same key are not this address's.
    own = next(row for row in rows(found, "sessions", "sessions") if row["session_id"] == KEY)
    assert own["calls"] == 9
    assert FOREIGN not in kinds


def test_a_resource_is_what_calls_name(home: Path) -> None:
    bucket = ask(home, "resource", "arn:aws:s3:::pay-records")
    assert [row["event_name"] for row in rows(bucket, "timeline", "timeline")] == [
        "PutBucketPolicy"
    ]


def test_an_event_leads_to_its_session_and_back_to_who_began_it(
    home: Path, ids: dict[str, str]
) -> None:
    found = ask(home, "event", ids["policy"], since=NIGHT, until=NIGHT + dt.timedelta(hours=2))
    assert "PutBucketPolicy" in found.found.headline
    assert found.data()["facts"]["calls"] == 2
    (session,) = rows(found, "sessions", "sessions")
    assert (session["session_id"], session["relation"]) == (SECOND, "subject")
    assert (session["root_principal"], session["parent_session_id"]) == (DORA, FIRST)


def test_what_a_subject_s_words_mean() -> None:
    session = f"arn:aws:sts::{DEV}:assumed-role/audit/work"
    assert subjects.of_principal(session).condition == f"identity_arn = '{session}'"
    assert subjects.of_principal(DORA).condition == f"principal_arn = '{DORA}'"
    assert subjects.of_principal("person'x").condition == "actor = 'person''x'"
    assert subjects.of_key("a-token").condition == "credential_id = 'a-token'"
    function = subjects.of_resource(f"arn:aws:lambda:eu-west-1:{PROD}:function:pay")
    assert f"resource_kind = 'functionName' and resource = 'pay' and account_id = '{PROD}'" in (
        function.condition
    )
    # A name that is no id says nothing of what kind of thing it is.
    assert "resource = 'x'" not in subjects.of_resource("arn:aws:new:eu-west-1::thing/x").condition


@pytest.mark.parametrize(
    ("kind", "value", "more", "said"),
    [
        pytest.param("key", "AKIANOSUCHKEYEXAMPLE", {}, "nothing from .* bears", id="unknown-key"),
        pytest.param("principal", DORA + "x", {}, f"did you mean {DORA}", id="near-miss"),
        pytest.param("ip", "300.1.1.1", {}, "no address or network", id="no-address"),
        pytest.param("event", "nowhere", {}, "there is no event", id="unknown-event"),
        pytest.param("key", KEY, {"until": NIGHT - dt.timedelta(days=60)}, "the lake reaches from", id="empty-span"),
        pytest.param("key", KEY, {"since": NIGHT, "until": NIGHT}, "span is empty", id="no-span"),
        pytest.param("key", KEY, {"since": NIGHT + dt.timedelta(hours=8)}, "it was at work from 2026-03-01", id="at-another-time"),
        pytest.param("resource", "ab", {}, "names no resource", id="too-short"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_with_a_mend(
    home: Path, kind: str, value: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(CtanalyticsError) as caught:
        ask(home, kind, value, **more)
    assert re.search(said, str(caught.value))
    assert caught.value.mend


def test_an_empty_lake_says_so(tmp_path: Path) -> None:
    Lake.create(tmp_path / "lake")
    with pytest.raises(CtanalyticsError, match="the lake has no events yet"):
        investigate(tmp_path / "lake", kind="key", value=KEY)


def test_a_name_of_several_things_lists_them(home: Path) -> None:
    with pytest.raises(UsageError, match=r"2 things: roleName in 111122223333 \(1 call"):
        ask(home, "resource", "web")


def test_of_a_world_of_chains_all_that_is_proved_is_followed_and_nothing_else(
    home: Path, tmp_path: Path
) -> None:
    world = chains.world(7, chains=60)
    (tmp_path / "a.json").write_text(json.dumps({"Records": world.records}))
    ctanalytics.ingest(
        [str(tmp_path / "a.json")],
        str(tmp_path / "lake"),
        settings=settings.load({"ingest.workers": 1}),
    )
    parents = {key.session_id: key for key in world.keys}

    def heads(key: chains.Key) -> set[str]:
        found = set()
        while key.parent is not None and key.proven:
            found.add(key.parent)
            key = parents[key.parent]
        return found

    head = max(
        (key for key in world.keys if key.hop == 0),
        key=lambda one: sum(one.session_id in heads(key) for key in world.keys),
    )
    truth = {key.session_id for key in world.keys if key.proven and head.session_id in heads(key)}
    assert len(truth) >= 4
    rules = settings.Rules(packaged=False)
    found = investigate(
        tmp_path / "lake",
        kind="key",
        value=head.session_id,
        settings=settings.Settings(rules=rules),
    )
    assert {one for one, kind in credentials(found).items() if kind == "derived"} == truth
    # What a part reads is not there: it says so, and how to get it.
    absent = {name: part.get("absent", "") for name, part in found.data()["parts"].items()}
    assert "ctanalytics detect" in absent["anomalies"]
    assert "ConfigHistory" in absent["config"]
