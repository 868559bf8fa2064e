"""Files that get their names when they are whole, and what killed writers leave."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ctanalytics.whole import making, replacing, sweep

WRITER = """
import sys
from pathlib import Path
from ctanalytics.whole import making, replacing
with replacing(Path(sys.argv[1])) as file, making(Path(sys.argv[2])) as folder:
    file.write(b"half")
    folder.mkdir()
    (folder / "part").write_bytes(b"half")
    print("begun", flush=True)
    sys.stdin.readline()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_target_is_replaced_whole_and_is_its_owner_s(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    with replacing(target) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert (target.read_bytes(), names(tmp_path)) == (b"new", ["report.html"])
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_failure_leaves_the_target_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(target) as file, making(target) as made:
        file.write(b"new")
        made.mkdir()
        raise ZeroDivisionError
    assert (target.read_text(), names(tmp_path)) == ("old", ["report.html"])


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe) as file:
        file.write(b"rows")
    assert (os.read(reader, 10), names(tmp_path)) == (b"rows", ["pipe"])
    os.close(reader)


def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    target, other = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target), str(other)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"begun\n"
    left = names(tmp_path)
    assert len(left) == 3
    assert any(name.endswith(".gz") for name in left)  # what a name ends in may decide on the form
    sweep(tmp_path, ".")
    assert names(tmp_path) == left
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    with replacing(target) as file:
        file.write(b"new")
    assert [name for name in names(tmp_path) if name.startswith(".a.csv.gz.")] == []
    with making(other) as made:
        made.write_bytes(b"new")
        made.replace(other)
    assert names(tmp_path) == ["a.csv.gz", "b.csv.gz"]


def test_what_lies_beside_a_path_that_was_made_goes_with_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), making(tmp_path / "a.duckdb") as made:
        made.write_bytes(b"half")
        made.with_name(f"{made.name}.wal").write_bytes(b"log")
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []
