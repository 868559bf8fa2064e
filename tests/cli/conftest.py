"""A command that a test runs in its own process leaves its flags to nobody."""

from __future__ import annotations

import pytest

from ctanalytics.cli import console


@pytest.fixture(autouse=True)
def no_flags_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "shared", type(console.shared)())
