"""JSON of strangers beyond every stack, wherever it is read: an error of ours, or text as it is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.audit_lake import _call
from ctanalytics.app.deploy.render import read_outputs
from ctanalytics.app.serve.views import _pretty
from ctanalytics.changes.difference import differences
from ctanalytics.errors import CtanalyticsError
from ctanalytics.places import aws_ranges
from ctanalytics.policy import arns, document
from ctanalytics.posture import policy
from ctanalytics.posture.narrowing import weakens
from ctanalytics.posture.pattern import Unreadable, rule_matches
from ctanalytics.posture.snapshot import Snapshot
from ctanalytics.settings import SourceAws
from ctanalytics.sources.inventory import Inventory
from ctanalytics.sources.object_list import ObjectList

DEEP = ['{"a":' * 100_000, "[" * 100_000, '{"a":' + "[" * 99_999 + "]" * 99_999 + "}"]
ODD = {
    "deep-objects": DEEP[0],
    "deep-lists": DEEP[1],
    "deep-but-whole": DEEP[2],
    "list": "[]",
    "number": "7",
    "null": "null",
    "text": '"text"',
    "cut": "{",
    "nul": "\0",
    "nan": '{"a": NaN}',
}

FILES: dict[str, Callable[[Path], Any]] = {
    "snapshot": Snapshot.load,
    "policy": document.read,
    "outputs of a stack": read_outputs,
    "ip ranges": lambda path: aws_ranges(str(path)),
    "inventory": lambda path: Inventory.open(str(path), SourceAws()),
    "objects": lambda path: list(ObjectList.open(str(path), SourceAws()).rows()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_beyond_every_stack_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    for text in DEEP:
        file.write_text(text)
        with pytest.raises(CtanalyticsError) as caught:
            FILES[name](file)
        assert str(file) in caught.value.where


@pytest.mark.parametrize("text", ODD.values(), ids=list(ODD))
def test_parameters_of_any_kind_are_read_as_none(text: str) -> None:
    assert weakens("PutEventSelectors", text)
    assert arns.request("111122223333", "eu-west-1", None, text).parameters.keys() <= {"a"}
    assert policy.statements(text) == ()
    row = {"event_time": dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "request": text}
    told = _call(row | dict.fromkeys(("event_id", "event_name", "principal", "succeeded")))
    assert told.target == ""
    try:
        same = json.dumps(json.loads(text), indent=2)
    except (ValueError, RecursionError):
        same = text
        with pytest.raises(Unreadable):
            rule_matches(text, {})
    assert _pretty(text) == same


@pytest.mark.parametrize("levels", [100, 400, 800, 950, 980, 3_000])
def test_states_of_any_depth_are_compared(levels: int) -> None:
    def state(value: int) -> dict[str, str | None]:
        text = "[" * levels + str(value) + "]" * levels
        return {"configuration": text, "supplementary_configuration": None, "tags": None} | {
            "relationships": None
        }

    (found,) = differences(state(1), state(2))
    assert found.path.startswith("/configuration")
    assert not differences(state(1), state(1))
