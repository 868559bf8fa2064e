from __future__ import annotations

from pathlib import Path

import pytest

from ctanalytics.app.simulate import SimulateResult, simulate

SETTINGS = {"days": 3, "events_per_day": 4_000, "seed": 3, "digests": "1"}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulateResult]:
    """Three days of a small organization with every kind of attack."""
    out = tmp_path_factory.mktemp("small") / "logs"
    return out, simulate(out, workers=1, **SETTINGS)  # type: ignore[arg-type]
