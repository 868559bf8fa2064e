"""The accounts on the local AWS server, read once for a whole run."""

from __future__ import annotations

import pytest

from tests.posture.readings import Readings, read_once


@pytest.fixture(scope="session")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Readings:
    base = tmp_path_factory.getbasetemp()
    # Workers of a parallel run have folders of their own in one that they share.
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / "posture-readings"
    folder.mkdir(exist_ok=True)
    return read_once(folder)
