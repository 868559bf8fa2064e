"""The ingest benchmark measures right rows, whole corpora and all of our time."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ingest_suite import bars, corpora, measuring, peers, shapes, sides, steps
from ingest_suite.corpora import Corpus, Recipe
from ingest_suite.measuring import Run

from ctanalytics.lake.lake import Lake
from ctanalytics.records import schema

RECIPES = {
    "typical": Recipe("typical", 12, 50),
    "entropy": Recipe("entropy", 12, 50, entropy=True),
    "huge": Recipe("huge", 2, 300, by_region=False),
}
EVENTS = """
select * from events where event_date >= '2013-01-01' and event_time >= '2013-01-01'
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture(scope="module", params=RECIPES)
def corpus(request: pytest.FixtureRequest, place: Path) -> Corpus:
    return corpora.made(place, RECIPES[request.param])


def records(folder: str) -> Iterator[dict[str, Any]]:
    """All records as plain Python reads them."""
    for path in sorted(Path(folder).rglob("*.json.gz")):
        yield from json.loads(gzip.decompress(path.read_bytes()))["Records"]


def test_every_field_is_what_plain_python_reads(corpus: Corpus, tmp_path: Path) -> None:
    sides.ours(corpus.folder, str(tmp_path / "lake"), 1)
    with Lake.open(str(tmp_path / "lake")).engine() as engine:
        rows = {row["event_id"]: row for row in engine.query(EVENTS, {}).to_pylist()}
    expected = {record["eventID"]: record for record in records(corpus.folder)}
    assert rows.keys() == expected.keys()
    for event_id, record in expected.items():
        assert _ours(rows[event_id]) == _plain(record)


def _ours(row: dict[str, Any]) -> dict[str, Any]:
    names = [*schema.STRING_FIELDS.values(), *schema.BOOL_FIELDS.values(), *schema.TLS_COLUMNS]
    names += ["event_time", "event_date", "identity_type", "principal_id", "identity_arn"]
    names += ["access_key_id", "user_name", "invoked_by", "session_issuer_arn"]
    found = {name: row[name] for name in names}
    texts = [*schema.JSON_FIELDS.values(), "user_identity"]
    return found | {name: json.loads(row[name]) if row[name] else None for name in texts}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    moment = dt.datetime.fromisoformat(record["eventTime"])
    identity = record.get("userIdentity") or {}
    tls = record.get("tlsDetails") or {}
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    credentials = (record.get("responseElements") or {}).get("credentials") or {}
    if "sessionToken" in credentials:
        credentials["sessionToken"] = "***"  # hidden unless the settings say otherwise
    found = {
        column: record.get(name)
        for fields in (schema.STRING_FIELDS, schema.BOOL_FIELDS, schema.JSON_FIELDS)
        for name, column in fields.items()
    }
    from_console = record.get("sessionCredentialFromConsole")
    return found | {
        "session_credential_from_console": from_console and from_console == "true",
        "event_time": moment,
        "event_date": moment.date(),
        "user_identity": record.get("userIdentity"),
        "identity_type": identity.get("type"),
        "principal_id": identity.get("principalId"),
        "identity_arn": identity.get("arn"),
        "access_key_id": identity.get("accessKeyId") or None,  # "" on failed sign-ins
        "user_name": identity.get("userName"),
        "invoked_by": identity.get("invokedBy"),
        "session_issuer_arn": issuer.get("arn"),
        "tls_version": tls.get("tlsVersion"),
        "tls_cipher_suite": tls.get("cipherSuite"),
        "tls_client_provided_host_header": tls.get("clientProvidedHostHeader"),
        "tls_key_exchange": tls.get("keyExchange"),
    }


def test_a_corpus_holds_what_its_facts_say(corpus: Corpus) -> None:
    paths = list(Path(corpus.folder).rglob("*.json.gz"))
    assert corpus.files == len(paths)
    assert corpus.file_bytes == sum(path.stat().st_size for path in paths)
    assert corpus.records == len(list(records(corpus.folder)))
    assert corpus.records >= 600


def test_files_have_the_records_that_were_asked_for(place: Path) -> None:
    corpus = corpora.made(place, RECIPES["huge"])
    counts = [
        len(json.loads(gzip.decompress(path.read_bytes()))["Records"])
        for path in Path(corpus.folder).rglob("*.json.gz")
    ]
    assert max(counts) == 300 or corpus.files == corpora.DAYS
    assert sum(counts) / len(counts) > 50


def test_the_varied_corpus_is_more_varied(place: Path) -> None:
    def distinct(name: str, field: str) -> float:
        texts = [
            json.dumps(record[field])
            for record in records(corpora.made(place, RECIPES[name]).folder)
            if record.get(field)
        ]
        return len(set(texts)) / len(texts)

    for field in ("userIdentity", "requestParameters"):
        assert distinct("entropy", field) > distinct("typical", field)


def test_shifted_copies_share_no_event_and_no_day(place: Path) -> None:
    base = corpora.made(place, RECIPES["typical"])
    three = corpora.shifted(base, place, 3)
    found = list(records(three.folder))
    assert three.records == 3 * base.records == len(found)
    # Some events are delivered twice, as CloudTrail does.
    ids = {record["eventID"] for record in records(base.folder)}
    assert len({record["eventID"] for record in found}) == 3 * len(ids)
    days = {record["eventTime"][:10] for record in found}
    assert len(days) >= 3 * len({r["eventTime"][:10] for r in records(base.folder)}) - 2


@pytest.mark.parametrize("formulation", peers.FORMULATIONS)
def test_every_formulation_reads_all_rows(place: Path, tmp_path: Path, formulation: str) -> None:
    corpus = corpora.made(place, RECIPES["typical"])
    assert peers.duckdb(Path(corpus.folder), tmp_path / "out", 1, formulation) == corpus.records


def test_the_peer_has_the_columns_of_all_peers(place: Path, tmp_path: Path) -> None:
    import duckdb

    corpus = corpora.made(place, RECIPES["typical"])
    peers.duckdb(Path(corpus.folder), tmp_path / "out", 1)
    found = duckdb.sql(f"select * from read_parquet('{tmp_path}/out/**/*.parquet')").columns
    wanted = [".".join(path) for path in shapes.leaves(shapes.RECORD)]
    wanted += ["i." + ".".join(path) for path in shapes.leaves(shapes.IDENTITY)]
    assert set(wanted) <= set(found)


def test_all_our_time_belongs_to_a_step(place: Path, tmp_path: Path) -> None:
    corpus = corpora.made(place, RECIPES["typical"])
    run = measuring.measure(
        "steps", corpus.name, corpus.folder, 1, tmp_path, keep=tmp_path / "lake", memory=True
    )
    # A function that moved has to be named anew in steps.TIMED, else its time is counted wrongly.
    assert run.facts["absent"] == []
    assert set(run.facts["steps"]) >= {step for _, step in steps.TIMED}
    assert 0.5 * run.cpu_seconds < sum(run.facts["steps"].values()) <= run.cpu_seconds
    assert run.rows == corpus.records
    assert run.peak_bytes > run.peak_private_bytes > 20e6


ONE = Run("ctanalytics", "typical", 1, 1.0, 1.0, 100_000, 11_000_000)


def test_a_bar_is_met_by_the_ratio_of_medians() -> None:
    runs = [replace(ONE, seconds=s) for s in (1.0, 1.2, 9.0)]
    slow = [replace(ONE, side="duckdb", seconds=s) for s in (1.7, 1.5, 1.6)]
    found: dict[str, Any] = {"corpora": {}, "runs": [vars(run) for run in (*runs, *slow)]}
    first = bars.judged(found)[0]
    assert (first.met, first.figure[:6]) == (False, "1.33 x")
    found["runs"] += [vars(replace(ONE, seconds=1.0))] * 2
    assert bars.judged(found)[0].met


def test_what_was_not_measured_is_said() -> None:
    found = bars.judged({"corpora": {}})
    assert {bar.met for bar in found} == {None}
    assert {bar.figure for bar in found} == {"not measured"}
