"""The store of a lake, on disk and in S3: whole files, and one winner of a name."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from werkzeug.wrappers import Request, Response

from ctanalytics.errors import LakeError, LakeMissing, LakeUnsafe, UsageError
from ctanalytics.lake.local_store import LocalStore
from ctanalytics.lake.store import Store, open_store, store_from
from ctanalytics.lake.tables import commit_errors, create_table
from ctanalytics.settings import LakeAws
from tests.aws_server import DroppedError, Server, aws_server, s3_error, tls_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("lake")
        yield running


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return open_store(str(tmp_path / "lake"), LakeAws())
    request.getfixturevalue("server")
    return open_store("s3://lake/audit/trail", LakeAws())


def test_what_is_written_is_read_and_replaced(store: Store) -> None:
    store.write("tables/a.bin", b"one")
    store.write("tables/a.bin", b"two")
    assert store.read("tables/a.bin") == b"two"
    assert store.exists("tables/a.bin")


def test_a_buffer_of_arrow_is_written_as_it_is(store: Store) -> None:
    buffer = pa.py_buffer(b"arrow")
    store.write("a", buffer)  # type: ignore[arg-type]
    assert store.put_once("b", buffer)  # type: ignore[arg-type]
    assert (store.read("a"), store.read("b")) == (b"arrow", b"arrow")


def test_an_absent_file_is_not_found(store: Store) -> None:
    assert not store.exists("plans/1.json")
    with pytest.raises(FileNotFoundError):
        store.read("plans/1.json")
    store.delete("plans/1.json")
    store.delete_tree("plans")


def test_the_first_put_wins_and_the_second_learns_it(store: Store) -> None:
    assert store.put_once("plans/1.json", b"mine")
    assert not store.put_once("plans/1.json", b"yours")
    assert store.read("plans/1.json") == b"mine"


def test_one_of_many_writers_wins(store: Store) -> None:
    won: list[int] = []

    def put(number: int) -> None:
        if store.put_once("leases/x", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("leases/x") == str(won[0]).encode()


def test_list_gives_the_paths_of_a_prefix_in_byte_order(store: Store) -> None:
    names = ["a/1", "a-b", "a/b/c", "a.b", "ab", "b/ä", "b/z"]
    for name in names:
        store.write(name, b"")
    assert list(store.list()) == sorted(names, key=str.encode)
    assert list(store.list("a/")) == ["a/1", "a/b/c"]
    assert list(store.list("a")) == sorted((n for n in names if n[0] == "a"), key=str.encode)
    assert list(store.list("nothing/")) == []


def test_a_tree_is_deleted_and_its_neighbours_stay(store: Store) -> None:
    for name in ["staging/1/a", "staging/1/b/c", "staging/10/a"]:
        store.write(name, b"")
    store.delete_tree("staging/1/")
    assert list(store.list()) == ["staging/10/a"]


def test_a_store_comes_back_from_json(store: Store) -> None:
    store.write("lake.json", b"{}")
    again = store_from(json.loads(json.dumps(store.spec())))
    assert again.uri == store.uri
    assert again.read("lake.json") == b"{}"


def test_a_sound_place_passes_the_probe_and_keeps_nothing_of_it(store: Store) -> None:
    store.probe()
    assert list(store.list()) == []


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a"])
def test_no_path_leaves_the_lake(store: Store, path: str) -> None:
    with pytest.raises(ValueError, match="within a lake"):
        store.write(path, b"")


def test_a_parquet_reader_takes_the_location(store: Store) -> None:
    table = pa.table({"a": list(range(1000))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=100)
    store.write("tables/t/event_date=2024-05-01/a.parquet", sink.getvalue().to_pybytes())
    with duckdb.connect() as con:
        filesystem = store.filesystem()
        if filesystem is not None:
            con.register_filesystem(filesystem)
        place = store.location("tables/t/event_date=2024-05-01/a.parquet")
        found = con.execute("select sum(a) from read_parquet([?]) where a >= 900", [place])
        assert found.fetchall() == [(sum(range(900, 1000)),)]


def test_a_locked_duckdb_reads_the_lake_in_s3_and_nothing_beside_it(server: Server) -> None:
    store = open_store("s3://lake/mine", LakeAws())
    other = open_store("s3://lake/mine-too", LakeAws())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    for one in (store, other):
        one.write("t.parquet", sink.getvalue().to_pybytes())
    with duckdb.connect() as con:
        con.register_filesystem(store.filesystem())
        con.execute(f"set allowed_directories = ['{store.uri}/']")
        con.execute("set enable_external_access = false")
        read = "select a from read_parquet(?)"
        assert con.execute(read, [store.location("t.parquet")]).fetchall() == [(1,)]
        for outside in (other.location("t.parquet"), "s3://lake/mine/../mine-too/t.parquet"):
            with pytest.raises(duckdb.PermissionException):
                con.execute(read, [outside])


@pytest.mark.parametrize(
    ("rows", "gets"),
    [
        pytest.param(100_000, (1, 0), id="small-file-read-whole"),
        # The footer, then one of ten row groups.
        pytest.param(400_000, (1, 1), id="large-file-read-by-ranges"),
    ],
)
def test_what_never_changes_is_asked_of_s3_once(
    server: Server, rows: int, gets: tuple[int, int]
) -> None:
    store = open_store("s3://lake/x", LakeAws())
    numbers = pa.array(range(rows), pa.float64())
    table = pa.table({"a": numbers, "b": pa.array(map(str, range(rows)))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=rows // 10, compression="none")
    store.write("t.parquet", sink.getvalue().to_pybytes())
    with duckdb.connect() as con:
        con.register_filesystem(store.filesystem())
        server.requests.clear()
        for number in range(5):
            con.execute(f"create view v{number} as from read_parquet(['{store.uri}/t.parquet'])")
        assert server.count("GET", "t.parquet") == gets[0]
        found = con.execute("select count(b) from v0 where a >= ?", [rows - 10]).fetchall()
        assert found == [(10,)]
        assert server.count("GET", "t.parquet") - gets[0] <= 2 * gets[1]
        assert server.count("HEAD", "t.parquet") == 2


def test_a_file_of_the_lake_is_read_from_any_place(server: Server) -> None:
    store = open_store("s3://lake/x", LakeAws())
    data = bytes(range(256)) * 3_000
    store.write("f", data)
    files = store.filesystem()
    with files.open(store.location("f")) as one, files.open(store.location("f")) as two:
        assert one.read(10) == data[:10]
        two.seek(-5, os.SEEK_END)
        assert two.read() == data[-5:]
        assert two.read(1) == b""
        two.seek(-20, os.SEEK_END)
        assert two.read(15) == data[-20:-5]
        assert one.read(10) == data[10:20]
        one.seek(700_000)
        assert one.read(100_000) == data[700_000:]
    with pytest.raises(FileNotFoundError):
        files.open(store.location("absent"))
    with pytest.raises(OSError, match="only read"):
        files.open(store.location("f"), "wb")


def test_deltalake_commits_and_reads_with_the_storage_options(store: Store) -> None:
    place, options = store.location("tables/t"), store.storage_options()
    for start in (0, 10):
        rows = pa.table({"a": list(range(start, start + 10))})
        write_deltalake(place, rows, mode="append", storage_options=options)
    table = DeltaTable(place, storage_options=store.storage_options())
    assert table.version() == 1
    assert sum(table.to_pyarrow_table()["a"].to_pylist()) == sum(range(20))


def test_a_local_lake_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(str(tmp_path / "deep" / "lake"), LakeAws())
        store.write("tables/x/a.bin", b"")
        store.put_once("plans/1.json", b"")
    finally:
        os.umask(before)
    for path in (tmp_path / "deep").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path))
    store.write("a", b"old")
    with pytest.raises(TypeError):
        store.write("a", "not bytes")  # type: ignore[arg-type]
    assert store.read("a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_in_the_way_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("a file where a folder should be")
    with pytest.raises(LakeError) as caught:
        LocalStore(str(tmp_path)).write("plans/1.json", b"")
    assert str(tmp_path) in caught.value.where


def test_a_put_whose_answer_was_lost_still_wins(server: Server) -> None:
    def lose_the_answer(request, passed):  # type: ignore[no-untyped-def]
        if request.method == "PUT" and request.path.endswith("/plans/1.json"):
            server.disturb.clear()
            assert passed().status_code == 200
            raise DroppedError

    server.disturb.append(lose_the_answer)
    store = open_store("s3://lake/x", LakeAws())
    assert store.put_once("plans/1.json", b"mine")
    assert server.count("PUT", "plans/1.json") == 2
    assert not store.put_once("plans/1.json", b"yours")


def test_a_put_that_meets_another_under_way_is_tried_again(server: Server) -> None:
    def conflict(request, passed):  # type: ignore[no-untyped-def]
        if request.method == "PUT":
            server.disturb.clear()
            return s3_error("ConditionalRequestConflict", "The conditional request failed", 409)
        return None

    server.disturb.append(conflict)
    assert open_store("s3://lake/x", LakeAws()).put_once("plans/1.json", b"mine")


def test_a_server_that_ignores_put_if_absent_is_refused(server: Server) -> None:
    def ignore_condition(request, passed):  # type: ignore[no-untyped-def]
        request.environ.pop("HTTP_IF_NONE_MATCH", None)

    server.disturb.append(ignore_condition)
    with pytest.raises(LakeUnsafe) as caught:
        open_store("s3://lake/x", LakeAws()).probe()
    assert "If-None-Match" in caught.value.mend


def test_every_put_asks_for_the_encryption_of_the_settings(server: Server) -> None:
    key = f"arn:aws:kms:eu-west-1:123456789012:key/{'0' * 8}-0000-0000-0000-{'0' * 12}"
    store = open_store("s3://lake/x", LakeAws(sse="aws:kms", kms_key_id=key))
    store.write("a", b"")
    store.put_once("b", b"")
    write_deltalake(
        store.location("t"), pa.table({"a": [1]}), storage_options=store.storage_options()
    )
    s3 = server.client("s3")
    paths = list(store.list())
    assert len(paths) == 4
    for path in paths:
        head = s3.head_object(Bucket="lake", Key=f"x/{path}")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key), path


def test_the_bucket_tells_its_region(server: Server) -> None:
    server.bucket("south", "ap-southeast-2")
    store = open_store("s3://south/x", LakeAws())
    store.write("a", b"")
    options = store.storage_options()
    assert options is not None
    assert options["aws_region"] == "ap-southeast-2"


def test_a_missing_bucket_is_a_missing_lake(server: Server) -> None:
    with pytest.raises(LakeMissing, match="no such bucket"):
        open_store("s3://not-there/x", LakeAws()).read("lake.json")


def test_a_denied_write_names_the_grant(server: Server) -> None:
    server.disturb.append(
        lambda request, passed: (
            s3_error("AccessDenied", "Access Denied") if request.method == "PUT" else None
        )
    )
    with pytest.raises(LakeError, match="s3:PutObject") as caught:
        open_store("s3://lake/x", LakeAws()).write("a", b"")
    assert caught.value.where == "s3://lake/x/a"


def use_all_readers(store: Store) -> None:
    """Write and read as boto3, delta-rs and Arrow do."""
    store.write("a", b"1")
    options = store.storage_options()
    write_deltalake(store.location("t"), pa.table({"a": [1]}), storage_options=options)
    with store.filesystem().open(store.location("a")) as file:
        assert file.read() == b"1"


def test_a_certificate_bundle_is_trusted_by_every_reader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with tls_server(monkeypatch, tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", "")  # so that what the store sets is undone
        monkeypatch.delenv("SSL_CERT_FILE")
        with monkeypatch.context() as quick:
            quick.setattr("time.sleep", lambda _: None)
            with pytest.raises(LakeError, match="certificate verify failed"):
                open_store("s3://lake/x", LakeAws()).read("a")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        server.bucket("lake")
        use_all_readers(open_store("s3://lake/x", LakeAws()))


def test_a_proxy_is_used_by_every_reader(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.eu-west-1.amazonaws.com")
    use_all_readers(open_store("s3://lake/x", LakeAws()))
    assert server.count("GET", "/lake/x/a") == 1


@pytest.mark.parametrize("uri", ["", "s3://", "https://example.com/lake", "gs://bucket/x"])
def test_a_place_that_is_no_lake_is_a_usage_error(uri: str) -> None:
    with pytest.raises(UsageError):
        open_store(uri, LakeAws())


def test_an_s3_lake_at_the_root_of_a_bucket_has_no_stray_slash(server: Server) -> None:
    store = open_store("s3://lake/", LakeAws())
    assert (store.uri, store.location("a")) == ("s3://lake", "s3://lake/a")
    store.write("a", b"")
    assert list(store.list()) == ["a"]


def test_entries_tell_size_and_time_of_what_list_names(store: Store) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    for name, data in (("a/one", b"1"), ("a/two", b"22"), ("b/three", b"")):
        store.write(name, data)
    found = list(store.entries("a/"))
    assert [(entry.path, entry.size_bytes) for entry in found] == [("a/one", 1), ("a/two", 2)]
    assert all(before <= entry.modified <= before + dt.timedelta(minutes=1) for entry in found)
    assert [entry.path for entry in store.entries()] == list(store.list())


def test_entries_of_a_folder_tell_what_a_killed_writer_left(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lake"), LakeAws())
    store.write("a/whole", b"1")
    (tmp_path / "lake/a/.tmp-1").write_bytes(b"half")
    assert [entry.path for entry in store.entries()] == ["a/.tmp-1", "a/whole"]
    assert list(store.list()) == ["a/whole"]


def test_what_a_killed_writer_left_is_swept_but_in_tables(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lake"), LakeAws())
    for folder in ("leases", "journal/x", "backup/format-1", "tables/events"):
        store.write(f"{folder}/whole", b"1")
        (tmp_path / "lake" / folder / ".tmp-1").write_bytes(b"half")
    with store.create("leases/mine") as file:
        file.write(b"mine")
        store.sweep()
    assert [entry.path for entry in store.entries() if ".tmp-" in entry.path] == [
        "tables/events/.tmp-1"
    ]
    assert store.read("leases/mine") == b"mine"


def test_a_busy_answer_without_a_body_is_asked_again(server: Server) -> None:
    """As S3 answers a HEAD when it is busy; Arrow takes that for the end."""
    store = open_store("s3://lake/l", LakeAws())
    store.write("a", b"bytes")
    busy = iter((True, True, False))

    def disturb(request: Request, _: object) -> Response | None:
        is_busy = request.method == "HEAD" and next(busy, False)
        return Response("", 503) if is_busy else None

    server.disturb.append(disturb)
    files = store.filesystem()
    assert files.info(store.location("a"))["size"] == 5
    with files.open(store.location("a")) as file:
        assert file.read() == b"bytes"
    with pytest.raises(FileNotFoundError):
        files.info(store.location("none"))


def test_a_table_that_can_not_be_made_is_an_error_of_the_lake(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lake"), LakeAws())
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "tables").write_bytes(b"a file in the way")
    with pytest.raises(LakeError, match="lies below one") as raised:
        create_table(store, "events")
    assert "lake/tables" in raised.value.where


def test_a_commit_that_can_not_be_written_is_an_error_of_the_lake(tmp_path: Path) -> None:
    store = open_store(str(tmp_path), LakeAws())
    (tmp_path / "events").write_bytes(b"a file in the way")
    with pytest.raises(LakeError, match="events can't be written"), commit_errors(store, "events"):
        write_deltalake(tmp_path / "events", pa.table({"number": [1]}))


def test_many_files_are_removed_at_once_and_absent_ones_are_fine(store: Store) -> None:
    for number in range(7):
        store.write(f"a/{number}", b"x")
    store.delete_all([f"a/{number}" for number in range(5)] + ["a/none"])
    assert list(store.list()) == ["a/5", "a/6"]
    store.delete_all([])


def test_of_a_parquet_file_only_what_is_asked_for_is_read(
    store: Store, request: pytest.FixtureRequest
) -> None:
    rows = pa.table({"number": range(200_000), "text": [f"{n * 7919}" for n in range(200_000)]})
    with store.create("tables/a.parquet") as file:
        pq.write_table(rows, file, row_group_size=20_000)
    with store.open_parquet("tables/a.parquet", read_dictionary=["text"]) as opened:
        assert opened.metadata.num_rows == 200_000
        group = opened.read_row_group(3)
    assert group["number"].to_pylist() == list(range(60_000, 80_000))
    assert pa.types.is_dictionary(group["text"].type)
    if not store.is_local:
        server = request.getfixturevalue("server")
        assert server.count("GET", "a.parquet") > 1
