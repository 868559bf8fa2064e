from __future__ import annotations

import pytest

import ctanalytics


@pytest.mark.parametrize("name", ctanalytics.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(ctanalytics, name) is not None


def test_all_names_what_is_public_and_nothing_else() -> None:
    assert set(ctanalytics.__all__) == {*ctanalytics._HOMES, "__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        ctanalytics.nothing  # noqa: B018
