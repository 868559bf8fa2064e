"""Every reason for which something is set aside is one that the documentation explains."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import ctanalytics
from ctanalytics.lake.quarantine import REASONS
from ctanalytics.sources.base import FAULTS
from tests.app.ingesting import ask, run
from tests.logs import key, record, write

PACKAGE = Path(ctanalytics.__file__).parent
PLACES = {
    "Item": 1,
    "RecordFault": 0,
    "Inflated": 1,
    "Fault": 4,
    "_refused": 1,
    "ItemFault": 0,
    "DamagedError": 0,
}
"""Callables that take a reason, and its place among their arguments."""
MODULES = [*PACKAGE.glob("lake/*.py"), *PACKAGE.glob("app/ingest_*.py")]


def reasons(tree: ast.Module) -> Iterator[str]:
    """Reasons that stand in a module's text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = PLACES.get(name, 99)
            if len(node.args) > place:
                yield from constants(node.args[place])
        elif isinstance(node, ast.Dict):
            for name_node, value in zip(node.keys, node.values, strict=True):
                if isinstance(name_node, ast.Constant) and name_node.value == "reason":
                    yield from constants(value)


def constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_every_reason_in_the_code_is_explained_and_no_other() -> None:
    found = {
        reason
        for module in MODULES
        for reason in reasons(ast.parse(module.read_text("utf-8")))
        if "_" in reason or reason.isalpha()
    }
    assert found | FAULTS == REASONS.keys()


def test_the_page_explains_every_reason_in_the_same_words() -> None:
    page = (PACKAGE.parent / "docs" / "quarantine.md").read_text("utf-8")
    for reason, (meaning, help_) in REASONS.items():
        assert f"| `{reason}` | {meaning} | {help_} |" in page


def test_what_is_mended_leaves_the_quarantine_when_it_is_tried_again(tmp_path: Path) -> None:
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    path = write(logs / key(0), [record(0), record(1)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    write(logs / key(1), [record(2), record(3, eventVersion="2.0")])
    run(logs, lake)
    view = "select reason from quarantined order by reason"
    assert [row["reason"] for row in ask(lake, view)] == ["truncated", "unknown_version"]
    assert run(logs, lake).objects_skipped == 2
    path.write_bytes(whole)
    result = run(logs, lake, retry=True)
    assert (result.objects_ingested, result.records_written) == (2, 2)
    assert [row["reason"] for row in ask(lake, view)] == ["unknown_version"]
