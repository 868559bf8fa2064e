"""Patterns of file names as a source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctanalytics.errors import SourceMissing
from ctanalytics.settings import Aws
from ctanalytics.sources.base import Selection, open_source, source_from
from ctanalytics.sources.patterns import split

FILES = [
    "a/2025/x.json.gz",
    "a/2026/x.json.gz",
    "a/2026/x.txt",
    "a/b/2026/y.json.gz",
    "2026/z.json.gz",
    "a/2026/.hidden.json.gz",
    "a/.hidden/2026/h.json.gz",
    "top.json.gz",
    "we[i]rd/x.json",
    "line\nbreak/x.json",
    "$(touch pwned)/x.json",
    "-rf/x.json",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    return tmp_path


def names(root: Path, pattern: str) -> list[str]:
    source = open_source(f"{root}/{pattern}", Aws())
    again = source_from(json.loads(json.dumps(source.spec())))
    found, same = (
        [str(Path(obj.key).relative_to(root.resolve())) for batch in batches for obj in batch]
        for batches in (source.list(Selection()), again.list(Selection()))
    )
    assert found == same
    return sorted(found)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param(
            "**/2026/*.json.gz",
            ["2026/z.json.gz", "a/2026/x.json.gz", "a/b/2026/y.json.gz"],
            id="any-depth",
        ),
        pytest.param("*/2026/*.json.gz", ["a/2026/x.json.gz"], id="one-folder"),
        pytest.param("a/202[56]/x.json.gz", [FILES[0], FILES[1]], id="one-of-some"),
        pytest.param("a/202[!5]/*", ["a/2026/x.json.gz", "a/2026/x.txt"], id="none-of-some"),
        pytest.param("a/2026/?.txt", ["a/2026/x.txt"], id="one-character"),
        pytest.param("*.json.gz", ["top.json.gz"], id="no-folder"),
        pytest.param("202*", ["2026/z.json.gz"], id="a-folder-gives-its-files"),
        pytest.param("a/**", FILES[:4], id="all-below"),
        pytest.param("a/**/**/*.txt", ["a/2026/x.txt"], id="any-depth-twice"),
        pytest.param("**/x.json", sorted(FILES[-4:]), id="hostile-names"),
        pytest.param("we[[]i[]]rd/*", ["we[i]rd/x.json"], id="a-folder-that-is-called-so"),
    ],
)
def test_a_pattern_chooses_files_here_and_in_a_worker(
    root: Path, pattern: str, expected: list[str]
) -> None:
    assert names(root, pattern) == sorted(expected)


def test_a_file_that_is_called_like_a_pattern_is_that_file(root: Path) -> None:
    (root / "a*.json").write_bytes(b"{}")
    (root / "ab.json").write_bytes(b"{}")
    assert names(root, "a*.json") == ["a*.json"]


def test_a_relative_pattern_starts_where_we_are(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    ((found,),) = open_source("*.json.gz", Aws()).list(Selection())
    assert found.key == str((root / "top.json.gz").resolve())


def test_symbolic_links_are_followed_only_within_the_folder(root: Path, tmp_path: Path) -> None:
    inner = root / "in"
    inner.mkdir()
    (inner / "x.json").write_bytes(b"{}")
    (inner / "inside.json").symlink_to(inner / "x.json")
    (inner / "outside.json").symlink_to(root / "top.json.gz")
    source = open_source(f"{inner}/*.json", Aws())
    found = [Path(obj.key).name for batch in source.list(Selection()) for obj in batch]
    assert found == ["inside.json", "x.json"]
    assert "outside.json" in source.notes.texts[0]


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        pytest.param("a/*.parquet", "no file matches this pattern", id="no-file"),
        pytest.param("a/.hid*/x", "no file matches this pattern", id="hidden"),
        pytest.param("nowhere/*.gz", "there is no such folder or file", id="no-folder"),
    ],
)
def test_a_pattern_that_matches_nothing_says_so_and_what_is_there(
    root: Path, pattern: str, what: str
) -> None:
    with pytest.raises(SourceMissing) as missing:
        list(open_source(f"{root}/{pattern}", Aws()).list(Selection()))
    assert missing.value.what.startswith(what)
    assert missing.value.where == f"{root}/{pattern}"
    assert "there is" in missing.value.mend


def test_folders_that_can_not_match_are_not_looked_into() -> None:
    found = split("/logs/a/*/x*.txt")
    assert found is not None
    root, pattern = found
    assert root == Path("/logs/a")
    deeper = pattern.step(pattern.start(), "2026")
    assert deeper
    assert not pattern.step(deeper, "b")


def test_a_long_chain_of_wildcards_takes_no_time() -> None:
    found = split("**/" * 50 + "x")
    assert found is not None
    pattern = found[1]
    steps = pattern.start()
    for _ in range(200):
        steps = pattern.step(steps, "a")
    assert not pattern.taken(steps)
    assert pattern.taken(pattern.step(steps, "x"))
