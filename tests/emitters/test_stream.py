"""Alerts as JSON lines."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from ctanalytics.emitters import parse_target
from ctanalytics.emitters.base import Emitter, Outside
from ctanalytics.errors import EmitError
from ctanalytics.settings import Aws
from tests.emitters.alerts import NOW, alert


def to_file(path: Path) -> Emitter:
    return parse_target(f"file:{path}", Outside(Aws(), io.StringIO())).emitter


def test_standard_output_gets_a_line_of_ascii_for_each() -> None:
    out = io.StringIO()
    emitter = parse_target("stdout", Outside(Aws(), out)).emitter
    outcomes = emitter.send([alert("a", title="\x1b[31mä\n"), alert("b")])
    assert [outcome.verdict for outcome in outcomes] == ["sent", "sent"]
    assert out.getvalue().isascii()
    assert "\x1b" not in out.getvalue()
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert first["title"] == "\x1b[31mä\n"
    assert first["detected_at"] == "2024-05-02T06:00:00Z"
    assert second["evidence"]["events"] == 214
    assert second["anomaly_id"] == alert("b").anomaly_id


def test_a_file_grows_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    to_file(path).send([alert("a")])
    to_file(path).send([alert("b")])
    assert [json.loads(line)["title"][-2] for line in path.read_text().splitlines()] == ["a", "b"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    path.write_text('{"cut": ')
    to_file(path).send([alert("a")])
    cut, whole = path.read_text().splitlines()
    assert cut == '{"cut": '
    assert json.loads(whole)["detected_at"] == NOW.isoformat().replace("+00:00", "Z")


def test_a_file_that_can_not_be_written_is_an_error_of_the_target(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    emitter = to_file(folder / "x")
    folder.rmdir()
    with pytest.raises(EmitError, match="can't be written"):
        emitter.send([alert("a")])


def test_many_alerts_go_in_groups(tmp_path: Path) -> None:
    emitter = to_file(tmp_path / "x")
    assert [len(batch) for batch in emitter.batches([alert("a")] * 250)] == [100, 100, 50]
    assert list(emitter.batches([])) == []
