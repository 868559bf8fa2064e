"""Folders and single files as a source."""

from __future__ import annotations

import datetime as dt
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctanalytics.errors import SourceDenied, SourceMissing, UsageError
from ctanalytics.records.object_key import log_key
from ctanalytics.settings import Aws
from ctanalytics.sources import base
from ctanalytics.sources.base import LogObject, Selection, Unread, open_source, source_from

DAY = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
EVERYTHING = Selection()


def put(root: Path, name: str, data: bytes = b"{}") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(root: Path, selection: Selection = EVERYTHING) -> list[str]:
    batches = open_source(str(root), Aws()).list(selection)
    return [str(Path(found.key).relative_to(root.resolve())) for b in batches for found in b]


def only(root: Path) -> LogObject:
    ((found,),) = open_source(str(root), Aws()).list(EVERYTHING)
    return found


def test_all_files_but_hidden_ones_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ["b.json", "a/z.txt", "a/b/c.json.gz", "labels.jsonl", ".DS_Store", ".git/x", "A"]:
        put(tmp_path, name)
    assert names(tmp_path) == ["A", "b.json", "labels.jsonl", "a/z.txt", "a/b/c.json.gz"]


def test_a_listed_file_tells_its_size_time_and_etag(tmp_path: Path) -> None:
    path = put(tmp_path, "x.json", b"12345")
    os.utime(path, ns=(0, 1_714_521_600_123_456_789))
    found = only(tmp_path)
    assert found.bucket == "file"
    assert found.key == str(path.resolve())
    assert found.etag == "5-1714521600123456789"
    assert (found.size_bytes, found.storage_class, found.archived) == (5, None, False)
    assert found.last_modified == dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def test_one_file_is_a_source(tmp_path: Path) -> None:
    path = put(tmp_path, "x.json", b"12345")
    put(tmp_path, "y.json")
    assert only(path).key == str(path.resolve())


def test_batches_hold_at_most_a_thousand(tmp_path: Path) -> None:
    for number in range(base.BATCH + 1):
        put(tmp_path, f"{number:05}.json")
    sizes = [len(batch) for batch in open_source(str(tmp_path), Aws()).list(EVERYTHING)]
    assert sizes == [base.BATCH, 1]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(accounts=frozenset({"111122223333"})), "adx", id="account"),
        pytest.param(Selection(regions=frozenset({"us-gov-west-1"})), "bdx", id="region"),
        pytest.param(Selection(since=DAY + dt.timedelta(days=1)), "bx", id="since"),
        pytest.param(Selection(until=DAY, slack_days=0), "acdx", id="until"),
        pytest.param(Selection(until=DAY - dt.timedelta(days=31)), "acdx", id="until-with-slack"),
        pytest.param(Selection(until=DAY - dt.timedelta(days=32)), "x", id="until-before-slack"),
    ],
)
def test_keys_that_tell_enough_are_selected(
    tmp_path: Path, selection: Selection, expected: str
) -> None:
    def key(account: str, region: str, day: int, unique: str) -> str:
        delivered = DAY + dt.timedelta(days=day, hours=13)
        return log_key(account_id=account, aws_region=region, delivered=delivered, unique=unique)

    put(tmp_path, key("111122223333", "eu-west-1", 0, "a"))
    put(tmp_path, key("444455556666", "us-gov-west-1", 1, "b"))
    put(tmp_path, "copy/" + key("444455556666", "eu-west-1", 0, "c"))
    put(tmp_path, key("111122223333", "us-gov-west-1", 0, "d"))
    put(tmp_path, "exported.x.json")  # tells nothing, so nothing speaks against it
    letters = sorted(
        name.split(".")[-3].split("_")[-1][-1] for name in names_of(tmp_path, selection)
    )
    assert "".join(letters) == expected


def names_of(root: Path, selection: Selection) -> list[str]:
    # "exported.x.json" and "..._a.json.gz" both have their letter before the last two dots.
    return [
        n if n.endswith(".gz") else f"{n.split('.')[1]}.json.gz" for n in names(root, selection)
    ]


def test_a_link_out_of_the_folder_is_not_followed_and_noted(tmp_path: Path) -> None:
    put(tmp_path, "outside/secret.json")
    root = tmp_path / "logs"
    put(root, "real/x.json")
    (root / "away.json").symlink_to(tmp_path / "outside" / "secret.json")
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    (root / "within.json").symlink_to(root / "real" / "x.json")
    source = open_source(str(root), Aws())
    found = [Path(one.key).name for batch in source.list(EVERYTHING) for one in batch]
    assert found == ["within.json", "x.json"]
    assert len(source.notes.texts) == 3


def test_a_name_that_is_not_utf8_is_noted(tmp_path: Path) -> None:
    put(tmp_path, "x.json")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(b"")
    source = open_source(str(tmp_path), Aws())
    assert [len(batch) for batch in source.list(EVERYTHING)] == [1]
    assert "UTF-8" in source.notes.texts[0]


def test_a_folder_called_like_a_log_file_is_a_folder_and_an_empty_file_is_a_file(
    tmp_path: Path,
) -> None:
    put(tmp_path, "a.json.gz/b.json.gz", b"")
    (tmp_path / "c.json.gz").mkdir()
    put(tmp_path, "a.json.gz.bak")
    source = open_source(str(tmp_path), Aws())
    found = [one for batch in source.list(EVERYTHING) for one in batch]
    assert names(tmp_path) == ["a.json.gz.bak", "a.json.gz/b.json.gz"]
    assert [source.read(one, 10) for one in found] == [b"{}", b""]


def test_a_fifo_is_no_log_file(tmp_path: Path) -> None:
    put(tmp_path, "x.json")
    os.mkfifo(tmp_path / "pipe.json")
    assert names(tmp_path) == ["x.json"]


def test_a_read_gives_the_bytes_that_were_listed(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    put(tmp_path, "x.json.gz", data)
    source = open_source(str(tmp_path), Aws())
    assert source.read(only(tmp_path), 3_000_000) == data


def test_faults_of_one_file_are_data(tmp_path: Path) -> None:
    path = put(tmp_path, "x.json", b"12345")
    found = only(tmp_path)
    source = open_source(str(tmp_path), Aws())

    def reason() -> str:
        got = source.read(found, 5)
        assert isinstance(got, Unread)
        return got.reason

    path.write_bytes(b"67890")  # same size, another time
    os.utime(path, ns=(1, 1))
    assert reason() == "changed"
    path.write_bytes(b"123456")
    assert reason() == "changed"
    path.unlink()
    assert reason() == "gone"
    path.mkdir()
    assert reason() == "gone"
    too_large = source.read(found, 4)
    assert isinstance(too_large, Unread)
    assert too_large.reason == "too_large"


def test_a_file_that_can_not_be_opened_is_denied(tmp_path: Path) -> None:
    path = put(tmp_path, "x.json", b"12345")
    found = only(tmp_path)
    path.unlink()
    path.symlink_to(path)  # a loop can't be opened, by root either
    got = open_source(str(tmp_path), Aws()).read(found, 5)
    assert isinstance(got, Unread)
    assert got.reason == "denied"


def test_a_missing_folder_is_an_error_that_names_what_is_near(tmp_path: Path) -> None:
    put(tmp_path, "logs-2024/x.json")
    with pytest.raises(SourceMissing) as caught:
        open_source(str(tmp_path / "log"), Aws())
    assert "logs-2024" in caught.value.mend
    assert caught.value.where == str(tmp_path / "log")


def test_an_empty_folder_is_an_error_and_an_empty_selection_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        list(open_source(str(tmp_path), Aws()).list(EVERYTHING))
    put(tmp_path, log_key(account_id="1" * 12, aws_region="eu-west-1", delivered=DAY, unique="a"))
    assert names(tmp_path, Selection(accounts=frozenset({"2" * 12}))) == []


@pytest.mark.parametrize("text", ["", "https://x/y", "arn:aws:s3:::bucket/x"])
def test_what_is_no_source_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        open_source(text, Aws())


def test_a_source_comes_back_from_json(tmp_path: Path) -> None:
    put(tmp_path, "x.json", b"12345")
    again = source_from(json.loads(json.dumps(open_source(str(tmp_path), Aws()).spec())))
    assert again.read(only(tmp_path), 100) == b"12345"


def test_a_folder_without_permission_is_denied() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "logs"
        root.mkdir(mode=0)
        Path(place).chmod(0o711)
        with as_nobody(), pytest.raises(SourceDenied):
            list(open_source(str(root), Aws()).list(EVERYTHING))
        root.chmod(0o700)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything; be someone else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
