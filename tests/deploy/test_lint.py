from __future__ import annotations

import pytest

from tests.deploy.lint import faults


@pytest.mark.parametrize("name", ["single-account", "nightly"])
def test_cfn_lint_finds_nothing(name: str) -> None:
    """These two have most parts; `make lint` reads every template in every mode."""
    assert faults(name, "") == []
