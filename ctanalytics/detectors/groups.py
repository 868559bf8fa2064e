"""Which anomalies of several series are one affair: same account, same time, and the same caller,
access key, address or fault.

Source: connected components of the links that docs/detection.md names. Nothing is merged here: a
group is a mark, by which whoever tells of anomalies may tell of them together.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

_PADDING: Final = dt.timedelta(minutes=15)
_LEAST_SHARE: Final = 0.5
_WHO: Final = ("userIdentityArn", "accessKeyId", "sourceIPAddress")

Row = dict[str, Any]
Callers = Mapping[str, str]


def grouped(rows: Sequence[Row], callers: Sequence[Callers]) -> list[Row]:
    """Return anomalies with `group_id` in their evidence: the id of the earliest of their group.

    Args:
        callers: of each, who made at least half of the calls beyond the usual (`main_callers`).
    """
    owner = list(range(len(rows)))

    def root(place: int) -> int:
        while owner[place] != place:
            place = owner[place]
        return place

    linked: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(rows):
        for trait in _traits(row, callers[place]):
            linked.setdefault(trait, []).append(place)
    for places in linked.values():
        ordered = sorted(places, key=lambda place: (rows[place]["started_at"], place))
        end = _end(rows[ordered[0]])
        for one, other in pairwise(ordered):
            if rows[other]["started_at"] - _PADDING <= end + _PADDING:
                owner[root(other)] = root(one)
            end = max(end, _end(rows[other]))
    first: dict[int, Row] = {}
    for place, row in enumerate(rows):
        known = first.setdefault(root(place), row)
        if (row["started_at"], row["anomaly_id"]) < (known["started_at"], known["anomaly_id"]):
            first[root(place)] = row
    return [
        row
        | {
            "evidence": json.dumps(
                json.loads(row["evidence"]) | {"group_id": first[root(place)]["anomaly_id"]}
            )
        }
        for place, row in enumerate(rows)
    ]


def _traits(row: Row, callers: Callers) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [
        (name, row["account_id"], value) for name, value in callers.items()
    ]
    if row["error_code"] is not None:
        found.append(("fault", row["account_id"], row["event_source"], row["error_code"]))
    return found


def _end(row: Row) -> dt.datetime:
    end: dt.datetime = row["ended_at"] or dt.datetime.max.replace(tzinfo=dt.UTC) - 2 * _PADDING
    return end


def main_callers(shares: Mapping[str, Sequence[Any]]) -> Callers:
    """Return who made at least half of the calls beyond the usual, by attribute: the identity, its
    access key, the address; of `insight.Share`s."""
    found = {name: _main(shares.get(name, ())) for name in _WHO}
    return {name: value for name, value in found.items() if value is not None}


def _main(shares: Sequence[Any]) -> str | None:
    more = [(max(share.insight - share.baseline, 0), share.value) for share in shares]
    total = sum(count for count, _ in more)
    count, value = max(more, default=(0, ""), key=lambda one: one[0])
    return value if total and count >= _LEAST_SHARE * total and value != "unknown" else None
