"""The benchmark of emit, small: a busy topic, a sender that is killed, and what arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.emit import simulate
from ctanalytics.emitters.sns import ENTRIES
from tests.aws_server import aws_server


def test_two_kills_lose_nothing_and_repeat_two_calls_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_server(monkeypatch) as server:
        found = simulate(server, tmp_path, count=200, throttled=0.2, kills=2, seed=1)
    assert (found.kills, found.runs) == (2, 3)
    assert found.turned_away > 0
    assert found.lost == 0
    assert found.acknowledged == found.alerts
    assert 0 < found.twice <= 2 * ENTRIES
    assert found.arrived == found.alerts + found.twice
