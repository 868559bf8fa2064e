from __future__ import annotations

from pathlib import Path

import pytest

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        # Between them these have every part, each with and without what is there already.
        ("single-account", ""),
        ("log-archive", ""),
        ("log-archive", "existing-bucket"),
        ("management", ""),
        ("region", ""),
        ("nightly", ""),
    ],
)
def test_cfn_lint_finds_nothing(tmp_path: Path, name: str, mode: str) -> None:
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    found = lint(compose.template(kit(name), mode, {}), config=ManualArgs(regions=["eu-west-1"]))
    assert [f"{match.rule.id} {match.message} {match.path}" for match in found] == []
