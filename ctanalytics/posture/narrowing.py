"""Tells from a call's request whether it made a trail record less."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ctanalytics.posture import selectors
from ctanalytics.posture.selectors import EventClass

_ALWAYS: Final = frozenset(
    ("DeleteTrail", "StopLogging", "DeleteEventDataStore", "StopEventDataStoreIngestion")
)
_FLAGS: Final = (
    "isMultiRegionTrail",
    "includeGlobalServiceEvents",
    "enableLogFileValidation",
    "isOrganizationTrail",
)
_EMPTIED: Final = ("kmsKeyId", "cloudWatchLogsLogGroupArn", "snsTopicName")
_INSIGHTS: Final = frozenset(("ApiCallRateInsight", "ApiErrorRateInsight"))


def weakens(event_name: str, request: str | None) -> bool:
    """Tell whether a call weakens a trail: stops, deletes or narrows it.

    Args:
        request: requestParameters as JSON text; what can't be read counts as weakening.
    """
    if event_name in _ALWAYS:
        return True
    try:
        found = json.loads(request or "{}")
    except (ValueError, RecursionError):
        return True
    if not isinstance(found, Mapping):
        return True
    if event_name == "UpdateTrail":
        return any(found.get(flag) is False for flag in _FLAGS) or any(
            found.get(name) == "" for name in _EMPTIED
        )
    if event_name == "PutInsightSelectors":
        kinds = {str(one.get("insightType")) for one in _rows(found, "insightSelectors")}
        return not kinds >= _INSIGHTS
    if event_name == "PutEventSelectors":
        return _narrow(found)
    return False


def _narrow(request: Mapping[str, Any]) -> bool:
    """Selectors that record management events in part; a trail of data events alone is none."""
    answer = {
        "EventSelectors": [_capitals(one) for one in _rows(request, "eventSelectors")],
        "AdvancedEventSelectors": [
            {"FieldSelectors": [_capitals(each) for each in _rows(one, "fieldSelectors")]}
            for one in _rows(request, "advancedEventSelectors")
        ],
    }
    found = selectors.of_answer(answer)
    extent = selectors.coverage(found, EventClass("Management")).extent
    data = selectors.coverage(found, EventClass("Data")).extent
    return extent == "some" or (extent == "none" and data == "none")


def _rows(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = found.get(name) or ()
    return [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []


def _capitals(one: Mapping[str, Any]) -> dict[str, Any]:
    """Names as the API has them: logs write them with a small first letter."""
    found = {name[:1].upper() + name[1:]: value for name, value in one.items()}
    if isinstance(found.get("DataResources"), list):
        found["DataResources"] = [
            _capitals(each) for each in found["DataResources"] if isinstance(each, Mapping)
        ]
    return found
