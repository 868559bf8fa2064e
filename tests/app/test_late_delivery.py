"""Files late, out of order, twice and by two trails, while an ingest follows: no event is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.late_delivery import simulate
from tests.aws_server import aws_server


def test_no_event_is_lost_and_none_doubled_however_late_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_server(monkeypatch) as server:
        found = simulate(
            server, tmp_path / "lake", hours=26, every_minutes=20, file_minutes=180, seed=8
        )
    assert (found.lost, found.doubled) == (0, 0)
    assert found.rows == found.events > 100
    assert found.passes > 60  # one every 20 minutes; the long run makes one every 5
    assert found.files_late >= 5
    assert found.files_twice >= 4
