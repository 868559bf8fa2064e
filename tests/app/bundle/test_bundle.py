"""A case bundle proves its rows, and no change to it goes unseen."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.app.bundle.create import BundleResult, bundle
from ctanalytics.app.bundle.verify import verify
from ctanalytics.app.validate import validate
from ctanalytics.errors import CaseError, QueryError, UsageError
from tests import builders
from tests.app.ingesting import run
from tests.aws_server import aws_server
from tests.cli.runner import run as cli
from tests.integrity.trail import BUCKET, HOUR, REGION, START, Trail, list_public_keys, public_keys

ALL = "select * from events order by event_id"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    copy = Trail(hours=3).write(folder / "copy")
    run(copy, folder / "lake")
    validate(copy, lake=folder / "lake")
    return folder / "lake"


@pytest.fixture(scope="module")
def made(lake: Path) -> Path:
    result = bundle(lake, lake.parent / "case.zip", sql=ALL)
    assert result.proved
    return Path(result.path)


Change = Callable[[dict[str, bytes]], None]


def changed(made: Path, change: Change, path: Path) -> Path:
    """Rewrite a bundle with other members."""
    with zipfile.ZipFile(made) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def name_of(members: dict[str, bytes], folder: str) -> str:
    return next(name for name in members if name.startswith(f"{folder}/"))


def resealed(change: Change) -> Change:
    """Change members and make the manifest agree, as a forger would."""

    def forge(members: dict[str, bytes]) -> None:
        import hashlib

        change(members)
        manifest = json.loads(members["manifest.json"])
        for member in manifest["members"]:
            data = members[member["name"]]
            member |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        members["manifest.json"] = json.dumps(manifest).encode()

    return forge


def test_a_bundle_proves_every_row_offline(made: Path, lake: Path) -> None:
    found = verify(made)
    assert found.whole
    assert (found.rows, found.rows_proved) == (6, 6)
    assert found.log_files == {"valid": 6} and found.digests == {"valid": 3}
    assert "prove nothing against whoever made it" in found.notes[0]
    own = lake.parent / "own.json"
    own.write_bytes(public_keys({REGION: "aws"}))
    told = verify(made, public_keys=[own])
    assert told.whole and not told.notes


def test_only_its_owner_may_read_it(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_the_same_rows_give_the_same_bytes(lake: Path, tmp_path: Path) -> None:
    now = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    for name in ("one", "other"):
        bundle(lake, tmp_path / name, sql=ALL, now=now)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def edit_row(members: dict[str, bytes]) -> None:
    members["rows.ndjson"] = members["rows.ndjson"].replace(b"ListBuckets", b"DeleteTrail", 1)


def drop_row(members: dict[str, bytes]) -> None:
    members["rows.ndjson"] = members["rows.ndjson"].partition(b"\n")[2]


def point_elsewhere(members: dict[str, bytes]) -> None:
    members["rows.ndjson"] = members["rows.ndjson"].replace(
        b'"source_row": 0', b'"source_row": 7', 1
    )


def forge_log(members: dict[str, bytes]) -> None:
    name = name_of(members, "logs")
    content = gzip.decompress(members[name]).replace(b"ListBuckets", b"DeleteTrail")
    members[name] = gzip.compress(content)
    edit_row(members)


def append_to_log(members: dict[str, bytes]) -> None:
    members[name_of(members, "logs")] += gzip.compress(b"{}")


def forge_digest(members: dict[str, bytes]) -> None:
    name = name_of(members, "digests")
    content = gzip.decompress(members[name])
    members[name] = gzip.compress(content.replace(b'"hashValue": "', b'"hashValue": "0'))


def forge_signature(members: dict[str, bytes]) -> None:
    name = next(name for name in members if name.endswith(".metadata.json"))
    members[name] = b'{"signature": "00", "signature-algorithm": "SHA256withRSA"}'


def forge_keys(members: dict[str, bytes]) -> None:
    members["public-keys.json"] = public_keys({REGION: "attacker"})


FORGERIES = [edit_row, drop_row, point_elsewhere, forge_log, append_to_log, forge_digest]
FORGERIES += [forge_signature, forge_keys]


@pytest.mark.parametrize("change", FORGERIES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "with-a-new-manifest"])
def test_a_forged_bundle_proves_less(
    change: Change, sealed: bool, made: Path, tmp_path: Path
) -> None:
    path = changed(made, resealed(change) if sealed else change, tmp_path / "case.zip")
    found = verify(path)
    assert not found.whole
    assert found.findings


def test_a_bundle_made_with_keys_of_ones_own_fails_with_those_of_aws(
    made: Path, tmp_path: Path
) -> None:
    copy = Trail(hours=3, signer="attacker").write(tmp_path / "copy")
    run(copy, tmp_path / "lake")
    validate(copy, lake=tmp_path / "lake")
    forged = Path(bundle(tmp_path / "lake", tmp_path / "case.zip", sql=ALL).path)
    assert verify(forged).whole  # by the keys that it brings along
    (tmp_path / "aws.json").write_bytes(public_keys({REGION: "aws"}))
    found = verify(forged, public_keys=[tmp_path / "aws.json"])
    assert found.digests == {"unknown key": 3} and found.rows_proved == 0


def extra(members: dict[str, bytes]) -> None:
    members["../../evil.txt"] = b"x"


def lost(members: dict[str, bytes]) -> None:
    del members[name_of(members, "logs")]


@pytest.mark.parametrize("change", [extra, lost], ids=lambda change: change.__name__)
def test_what_is_too_much_or_missing_is_named(change: Change, made: Path, tmp_path: Path) -> None:
    found = verify(changed(made, change, tmp_path / "case.zip"))
    assert any("manifest" in text or "missing" in text for text in found.findings)
    assert [path.name for path in tmp_path.iterdir()] == ["case.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_named(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "case.zip"
    path.write_bytes(made.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("rows.ndjson", b"{}\n")
    found = verify(path)
    assert "rows.ndjson is there 2 times" in found.findings
    assert found.rows_proved == 0


@given(data=st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_any_other_file_is_no_bundle(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("none") / "case.zip"
    path.write_bytes(data)
    with pytest.raises(CaseError):
        verify(path)


@given(place=st.integers(0, 1_000_000), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_never_proves_another_row(
    place: int, bit: int, made: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(made.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / "case.zip"
    path.write_bytes(bytes(data))
    try:
        found = verify(path)
    except CaseError:
        return
    # A bit of the zip's own bookkeeping (dates, modes) says nothing about the content.
    assert found.rows_proved < found.rows or found.findings or found.whole


def test_rows_of_files_that_no_digest_vouches_for_are_not_proved(tmp_path: Path) -> None:
    trail = Trail(hours=3)
    trail.put_log(START + 1.4 * HOUR, "planted000000000")
    altered = trail.objects[trail.logs[1][0]]
    altered.data = gzip.compress(gzip.decompress(altered.data).replace(b"Buckets", b"Objects"))
    copy = trail.write(tmp_path / "copy")
    run(copy, tmp_path / "lake")
    validate(copy, lake=tmp_path / "lake")
    result = bundle(tmp_path / "lake", tmp_path / "case.zip", sql=ALL)
    assert not result.proved
    assert result.log_files == {"modified": 1, "unlisted": 1, "valid": 5}
    found = verify(tmp_path / "case.zip")
    assert found.rows == 7 and found.rows_proved == 5
    assert found.log_files == {"modified": 1, "uncovered": 1, "valid": 5}


def test_a_file_that_is_gone_is_named_and_its_rows_are_not_proved(tmp_path: Path) -> None:
    trail = Trail(hours=3)
    copy = trail.write(tmp_path / "copy")
    run(copy, tmp_path / "lake")
    validate(copy, lake=tmp_path / "lake")
    (copy / trail.logs[1][0]).unlink()
    result = bundle(tmp_path / "lake", tmp_path / "case.zip", sql=ALL)
    assert len(result.absent) == 1 and not result.proved
    found = verify(tmp_path / "case.zip")
    assert found.rows_proved == 5 and "missing" in found.log_files


def test_without_validation_nothing_is_proved_and_a_note_says_why(tmp_path: Path) -> None:
    copy = Trail(hours=1).write(tmp_path / "copy")
    run(copy, tmp_path / "lake")
    result: BundleResult = bundle(tmp_path / "lake", tmp_path / "case.zip", sql=ALL)
    assert result.log_files == {"not validated": 2}
    assert any("never validated" in note for note in result.notes)
    assert not verify(tmp_path / "case.zip").whole


def test_the_evidence_of_an_anomaly_is_packed(lake: Path, tmp_path: Path) -> None:
    evidence = json.dumps({"event_ids": [], "events": 6, "sql": ALL})
    builders.append(lake, "anomalies", builders.anomaly(START, evidence=evidence))
    result = bundle(lake, tmp_path / "case.zip", incident="abab")
    assert result.proved and result.rows == 6
    with zipfile.ZipFile(tmp_path / "case.zip") as archive:
        assert json.loads(archive.read("anomaly.json"))["anomaly_id"] == "ab" * 16
    with pytest.raises(UsageError):
        bundle(lake, tmp_path / "other.zip", incident="cd")
    assert not (tmp_path / "other.zip").exists()


def test_a_query_without_the_place_of_its_rows_is_refused(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError) as caught:
        bundle(lake, tmp_path / "case.zip", sql="select event_id from events")
    assert "source_object" in caught.value.what
    with pytest.raises(QueryError):
        bundle(lake, tmp_path / "case.zip", sql="copy events to 'x'")
    assert not list(tmp_path.iterdir())


def test_a_bundle_of_a_bucket_brings_the_keys_of_aws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trail = Trail(hours=2)
    with aws_server(monkeypatch) as server:
        server.disturb.append(list_public_keys({REGION: "aws"}))
        trail.upload(server.bucket(BUCKET))
        run(f"s3://{BUCKET}", tmp_path / "lake", since=START)
        span = {"since": START, "until": trail.end, "now": trail.end}
        assert validate(f"s3://{BUCKET}", lake=tmp_path / "lake", **span).whole  # type: ignore[arg-type]
        assert bundle(tmp_path / "lake", tmp_path / "case.zip", sql=ALL).proved
    assert verify(tmp_path / "case.zip").whole


def test_the_commands_exit_by_what_they_find(lake: Path, made: Path, tmp_path: Path) -> None:
    ran = cli("bundle", "--sql", ALL, "--lake", str(lake), "-o", "case.zip", cwd=tmp_path)
    assert ran.code == 0 and "6 rows of 6 log files (6 valid)" in ran.out
    assert cli("bundle", "verify", "case.zip", cwd=tmp_path).code == 0
    changed(made, edit_row, tmp_path / "forged.zip")
    forged = cli("bundle", "verify", "forged.zip", "--json", cwd=tmp_path)
    assert forged.code == 3 and not json.loads(forged.out)["whole"]
    assert cli("bundle", "verify", "nothing.zip", cwd=tmp_path).code == 1
    assert cli("bundle", "--lake", str(lake), cwd=tmp_path).code == 2
