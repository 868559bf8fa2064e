"""The error tree: what, where and mend, the same after a trip between processes."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from ctanalytics import errors
from ctanalytics.errors import CtanalyticsError, UsageError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, CtanalyticsError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_whole_from_another_process(kind: type[CtanalyticsError]) -> None:
    error = kind("what happened", where="here", mend="do this")
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is kind
    assert (found.what, found.where, found.mend) == ("what happened", "here", "do this")
    assert str(found) == str(error) == "what happened\nin   here\nmend do this"


def test_parts_that_are_not_known_take_no_line() -> None:
    assert str(CtanalyticsError("what")) == "what"
    assert str(CtanalyticsError("what", mend="do this")) == "what\nmend do this"


@pytest.mark.parametrize("kind", KINDS)
def test_only_wrong_usage_has_exit_code_2(kind: type[CtanalyticsError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


def test_the_picture_of_the_tree_names_every_error_below_its_parent() -> None:
    above: list[str] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)  ", line)
        if found:
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}


def test_every_error_is_explained() -> None:
    assert all(kind.__doc__ for kind in KINDS)
