"""Rules that leave records out: noise that is read, counted, and never becomes a row.

A rule is judged on the finished columns, once for each distinct text, so it costs no Python per
event. Failed and denied calls stay unless the rule says otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctanalytics.errors import SettingsError
from ctanalytics.settings import Drop

Places = npt.NDArray[np.bool_]

_COLUMNS: Final = {
    "event_source": "event_source",
    "event_name": "event_name",
    "account": "account_id",
    "region": "aws_region",
    "identity_type": "identity_type",
    "principal": "principal_arn",
    "user_agent": "user_agent",
    "invoked_by": "invoked_by",
}
"""Conditions of a rule, and the columns that they speak about."""

_TRAIL_SOURCE: Final = "cloudtrail.amazonaws.com"
TAMPERING: Final = (
    "StopLogging",
    "DeleteTrail",
    "UpdateTrail",
    "PutEventSelectors",
    "PutInsightSelectors",
    "StopEventDataStoreIngestion",
    "DeleteEventDataStore",
    "UpdateEventDataStore",
    "RegisterOrganizationDelegatedAdmin",
    "DeregisterOrganizationDelegatedAdmin",
)
"""Calls by which somebody blinds CloudTrail itself."""


@dataclass
class Dropped:
    """How many records rules have left out."""

    by_rule: Counter[str] = field(default_factory=Counter)
    by_object: Counter[str] = field(default_factory=Counter)
    """By the column source_object."""


def check(rules: Sequence[Drop]) -> None:
    """Make sure that each rule says what it takes.

    Raises:
        SettingsError: naming every rule that has no name or no condition, or another's name.
    """
    faults = []
    names = Counter(rule.name for rule in rules)
    for place, rule in enumerate(rules):
        if not rule.name:
            faults.append(f"rule {place + 1} has no name")
        elif names[rule.name] > 1:
            faults.append(f"{rule.name!r} is the name of {names[rule.name]} rules")
        if rule.read_only is None and not any(getattr(rule, name) for name in _COLUMNS):
            faults.append(f"rule {rule.name or place + 1!r} has no condition and would take all")
    if faults:
        raise SettingsError(
            "rules that can't be used: " + "; ".join(dict.fromkeys(faults)),
            where="[[ingest.drop]] of the settings",
            mend="give each rule a name of its own and at least one condition",
        )


def warnings(rules: Sequence[Drop]) -> Iterator[str]:
    """Say which rules also take calls that tamper with CloudTrail."""
    for rule in rules:
        taken = [name for name in TAMPERING if _may_take(rule, _TRAIL_SOURCE, name)]
        if taken:
            shown = ", ".join(taken[:3]) + (", ..." if len(taken) > 3 else "")
            yield (
                f"the drop rule {rule.name!r} may also take calls that tamper with CloudTrail "
                f"itself ({shown}): what it takes, no detector and no query will see"
            )


def _may_take(rule: Drop, source: str, name: str) -> bool:
    if rule.read_only:
        return False
    return _matches(source, rule.event_source) and _matches(name, rule.event_name)


def _matches(value: str, patterns: Sequence[str]) -> bool:
    return not patterns or _regex(patterns).fullmatch(value) is not None


def _regex(patterns: Sequence[str]) -> re.Pattern[str]:
    """Texts with * for any characters and ? for one; all else means itself."""
    made = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
    return re.compile("|".join(f"(?:{each})" for each in made), re.S)


def drop(rows: pa.Table, rules: Sequence[Drop]) -> tuple[pa.Table, Dropped]:
    """Leave out of `events` what the rules take.

    Args:
        rows: columns of schema.EVENTS; texts may be dictionaries.

    Returns:
        The rows that stay, and how many each rule took; the first that matches counts.
    """
    found = Dropped()
    if not rules or not rows.num_rows:
        return rows, found
    taken = [_taken(batch, rules, found) for batch in rows.to_batches()]
    every = np.concatenate(taken)
    if not every.any():
        return rows, found
    names = rows["source_object"].filter(pa.array(every)).value_counts().to_pylist()
    for each in names:
        found.by_object[each["values"]] += each["counts"]
    return rows.filter(pa.array(~every)), found


def _taken(batch: pa.RecordBatch, rules: Sequence[Drop], found: Dropped) -> Places:
    every = np.zeros(len(batch), np.bool_)
    for rule in rules:
        taken = _takes(rule, batch) & ~every
        found.by_rule[rule.name] += int(taken.sum())
        every |= taken
    return every


def _takes(rule: Drop, batch: pa.RecordBatch) -> Places:
    places = np.ones(len(batch), np.bool_)
    if not rule.errors:
        places &= ~_flags(batch["is_error"], unknown=True)
    if rule.read_only is not None:
        flags = _flags(batch["read_only"], unknown=not rule.read_only)
        places &= flags if rule.read_only else ~flags
    for condition, column in _COLUMNS.items():
        patterns = getattr(rule, condition)
        if patterns and places.any():
            places &= _among(batch[column], _regex(patterns))
    return places


def _flags(column: pa.Array, *, unknown: bool) -> Places:
    known: Places = column.fill_null(unknown).to_numpy(zero_copy_only=False)
    return known


def _among(column: pa.Array, regex: re.Pattern[str]) -> Places:
    """Which rows match, asked once for each distinct text; null never does."""
    texts: Any = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    known = [value is not None and regex.fullmatch(value) is not None
             for value in texts.dictionary.to_pylist()]  # fmt: skip
    answers = np.array([*known, False], np.bool_)
    found: Places = answers[texts.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)]
    return found
