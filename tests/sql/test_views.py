"""A view's case is a folder: events (and other rows) in, the view's rows out."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ctanalytics.engines import statements
from tests import builders

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(p.parent, id="-".join(p.parent.parts[-2:]))
        for p in sorted(CASES.glob("*/*/input.json"))
    ],
)
def test_view_gives_the_golden_rows(case: Path, tmp_path: Path) -> None:
    given = json.loads((case / "input.json").read_text("utf-8"))
    tables = {name: [row_of(name, row) for row in rows] for name, rows in given.items()}
    with builders.engine(tmp_path, **tables) as engine:
        found = engine.sql(f"from {case.parent.name}")
    text = _golden(found)
    expected = case / "expected.json"
    if os.environ.get("CTANALYTICS_TEST_GOLDEN") == "write":
        expected.write_text(text, "utf-8")
    assert text == expected.read_text("utf-8")


ELSEWHERE = {
    "events": "tests/lake",
    "principal_events": "tests/detectors",
    "credential_events": "tests/sql/test_sessions.py",
    "role_chains": "tests/sql/test_sessions.py",
    "runs": "tests/app/test_nightly.py",
    "sessions": "tests/sql/test_sessions.py",
    "incident_members": "tests/app/test_incidents.py",
    "incidents": "tests/app/test_incidents.py",
    "log_files": "tests/app/test_validate.py",
    "ocsf_api_activity": "tests/sql/test_ocsf.py",
}
"""Views whose rows are held to something else than a golden file, and where."""


def test_every_published_view_has_a_case() -> None:
    views = {name.removeprefix("views/") for name in statements.names("views")}
    cases = {folder.name for folder in CASES.iterdir()}
    assert views - cases <= ELSEWHERE.keys()
    assert cases <= views


def row_of(table: str, given: dict[str, Any]) -> dict[str, Any]:
    """A case's row with the types of its table."""
    if table == "events":
        given = dict(given)
        return builders.event(_time(given.pop("time")), **given)
    schema = builders.SCHEMAS[table]
    return {name: _value(schema.field(name).type, value) for name, value in given.items()}


def _value(kind: pa.DataType, value: Any) -> Any:
    if value is None or not isinstance(value, str):
        return value
    if pa.types.is_timestamp(kind):
        return _time(value)
    if pa.types.is_date(kind):
        return dt.date.fromisoformat(value)
    return value.encode() if pa.types.is_binary(kind) else value


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _golden(table: pa.Table) -> str:
    """One row a line, sorted, so that a diff shows which row changed."""
    rows = sorted(json.dumps(row, default=_plain) for row in table.to_pylist())
    return "[\n" + ",\n".join(rows) + "\n]\n"


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
