"""One record's row, read either way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lake.decoding import (
    decode,
)
from tests.logs import document, record


def row_of(*, spoil: bool = False, **fields: Any) -> dict[str, Any]:
    """The row of one record, read the fast way, or (spoil) record by record."""
    records = [record(1, **fields)]
    if spoil:
        records.append({"eventName": 5, "eventID": "odd", "eventTime": "x"})
    return decode(document(records)).events[0]


BOTH_WAYS = pytest.mark.parametrize("spoil", [False, True], ids=["fast", "careful"])
