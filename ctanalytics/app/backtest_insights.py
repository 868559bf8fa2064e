"""How far our alarms agree with what AWS's own CloudTrail Insights reported."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

_NEAR: Final = dt.timedelta(minutes=60)
_TYPES: Final = {
    "ApiCallRateInsight": ("surge", "drop", "stop"),
    "ApiErrorRateInsight": ("error_surge",),
}
_SAME: Final = 1e-9
_LISTED: Final = 20
_KEYS: Final = ("account_id", "aws_region", "event_source", "event_name", "error_code")


def agreement(
    told: Sequence[Mapping[str, Any]], insights: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Match alarms and insights of one API that overlap or lie within an hour.

    Args:
        told: `findings.ANOMALIES`.
        insights: rows of backtest/aws_insights.

    Returns:
        aws, ours (of comparable kinds), both; same_baseline: matched ones whose baseline average is
        AWS's to ten decimals; only_aws, only_ours: at most 20 of each.
    """
    kinds = {kind for names in _TYPES.values() for kind in names}
    ours = [row for row in told if row["kind"] in kinds]
    matched: set[str] = set()
    both = same = compared = 0
    only_aws = []
    for insight in insights:
        partners = [row for row in ours if _is_same(row, insight)]
        if not partners:
            only_aws.append(_short(insight))
            continue
        both += 1
        matched.update(row["anomaly_id"] for row in partners)
        baseline = next((value for row in partners if (value := _baseline(row)) is not None), None)
        if baseline is not None and insight["baseline_average"] is not None:
            compared += 1
            same += abs(baseline - insight["baseline_average"]) <= _SAME
    only_ours = [_short(row) for row in ours if row["anomaly_id"] not in matched]
    return {
        "aws": len(insights),
        "ours": len(ours),
        "both": both,
        "compared_baselines": compared,
        "same_baseline": same,
        "only_aws": only_aws[:_LISTED],
        "only_ours": only_ours[:_LISTED],
    }


def _is_same(row: Mapping[str, Any], insight: Mapping[str, Any]) -> bool:
    if row["kind"] not in _TYPES.get(insight["insight_type"], ()):
        return False
    if any(row[name] != insight[name] for name in _KEYS):
        return False
    ended = row["ended_at"] or dt.datetime.max.replace(tzinfo=dt.UTC)
    return bool(
        row["started_at"] <= insight["ended_at"] + _NEAR and ended >= insight["started_at"] - _NEAR
    )


def _baseline(row: Mapping[str, Any]) -> float | None:
    if row["insight"] is None:
        return None
    start = json.loads(row["insight"])["start"]
    found: float = start["insightDetails"]["insightContext"]["statistics"]["baseline"]["average"]
    return found


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in (*_KEYS, "started_at")}
