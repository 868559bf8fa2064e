"""Rule files to rules: all faults are collected, with their lines, and the other rules run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule
from sigma.rule.detection import EmptySigmaDetections, SigmaDetectionItem
from sigma.rule.logsource import EmptyLogSource

from ctanalytics.sigma.condition import (
    Node,
    Placeholders,
    Some,
    Unsupported,
    build,
    require_shallow,
)
from ctanalytics.sigma.correlating import UnknownRule, correlation
from ctanalytics.sigma.documents import Document, documents, files, prepared
from ctanalytics.sigma.policy import POLICY
from ctanalytics.sigma.rule import Rule

_KEY_OF_ERROR: Final = {
    "SigmaConditionError": ("detection", "condition"),
    "SigmaCorrelationConditionError": ("correlation", "condition"),
    "SigmaCorrelationRuleError": ("correlation",),
    "SigmaCorrelationTypeError": ("correlation", "type"),
    "SigmaDateError": ("date",),
    "SigmaDetectionError": ("detection",),
    "SigmaFalsePositivesError": ("falsepositives",),
    "SigmaFieldsError": ("fields",),
    "SigmaIdentifierError": ("id",),
    "SigmaLevelError": ("level",),
    "SigmaLogsourceError": ("logsource",),
    "SigmaModifiedError": ("modified",),
    "SigmaNameError": ("name",),
    "SigmaReferencesError": ("references",),
    "SigmaRelatedError": ("related",),
    "SigmaStatusError": ("status",),
    "SigmaTagError": ("tags",),
    "SigmaTimespanError": ("correlation", "timespan"),
    "SigmaTitleError": ("title",),
    "SigmaValueError": ("tags",),
}
_MALFORMED: Final = (SigmaError, AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""What pySigma raises on documents of odd shapes; each says that the rule is no rule."""

Parsed = SigmaRule | SigmaCorrelationRule | SigmaFilter


@dataclass
class _Draft:
    """A document on its way to a rule."""

    document: Document
    rule: Rule
    parsed: Parsed | None = None
    faults: list[str] = field(default_factory=list)


def load(places: Sequence[Path], placeholders: Placeholders) -> list[Rule]:
    """Read all rules of folders and files; none is left out, whatever it looks like.

    Args:
        places: folders, searched for .yml and .yaml, and files.
        placeholders: values of `%name%` under the modifier `expand`; those of the settings.
    """
    drafts = [
        draft
        for place, file in files(places)
        for document in documents(file, str(file))
        for draft in _drafts(document, placeholders)
    ]
    _apply_filters(drafts)
    kept = [draft for draft in drafts if not isinstance(draft.parsed, SigmaFilter)]
    for draft in kept:
        if isinstance(draft.parsed, SigmaRule):
            _translate(draft, placeholders)
    _correlate(kept)
    return [draft.rule for draft in kept]


def _drafts(document: Document, placeholders: Placeholders) -> Iterator[_Draft]:
    if document.fault is not None:
        yield _refused(document, "error", f"line {document.line}: {document.fault}")
        return
    content = document.content
    if not isinstance(content, dict):
        yield _refused(document, "error", f"line {document.line}: a rule is a YAML mapping")
        return
    filled = prepared(content, placeholders)
    try:
        parsed = _parse(filled)
    except _MALFORMED as error:
        yield _refused(document, "error", _fault(document, error))
        return
    draft = _Draft(document, _described(document, parsed), parsed)
    draft.faults = [_fault(document, error) for error in parsed.errors]
    if draft.faults and not _is_runnable(parsed):
        draft.rule = replace(draft.rule, status="error", reason="; ".join(draft.faults))
    elif draft.faults:
        draft.rule = replace(draft.rule, reason="; ".join(draft.faults))
    yield draft


def _parse(content: Mapping[str, Any]) -> Parsed:
    found = dict(content)
    if "correlation" in content:
        return SigmaCorrelationRule.from_dict(found, collect_errors=True, policy=POLICY)
    if "filter" in content:
        return SigmaFilter.from_dict(found, collect_errors=True, policy=POLICY)
    return SigmaRule.from_dict(found, collect_errors=True, policy=POLICY)


def _is_runnable(parsed: Parsed) -> bool:
    """Whether only the description is at fault, and not what the rule asks for."""
    if isinstance(parsed, SigmaRule):
        return not isinstance(parsed.detection, EmptySigmaDetections) and not isinstance(
            parsed.logsource, EmptyLogSource
        )
    return not any(type(error).__name__.startswith("SigmaCorr") for error in parsed.errors)


def _described(document: Document, parsed: Parsed) -> Rule:
    content = document.content
    level = str(parsed.level) if parsed.level is not None else "medium"
    tags = content.get("tags")
    return Rule(
        document.path,
        document.line,
        str(parsed.title or ""),
        None if parsed.id is None else str(parsed.id),
        parsed.name if isinstance(parsed.name, str) else None,
        level if level in LEVELS else "medium",
        tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        document=content,
    )


LEVELS: Final = ("informational", "low", "medium", "high", "critical")


def _refused(document: Document, status: Any, reason: str) -> _Draft:
    content = document.content if isinstance(document.content, dict) else {}
    rule_id, title = content.get("id"), content.get("title")
    return _Draft(
        document,
        Rule(
            document.path,
            document.line,
            str(title) if title is not None else "",
            None if rule_id is None else str(rule_id),
            status=status,
            reason=reason,
            document=content,
        ),
    )


def _fault(document: Document, error: Exception) -> str:
    """Say a fault with its line."""
    text = " ".join(str(error.args[0] if error.args else error).split())
    if not isinstance(error, SigmaError):
        text = f"the rule has an odd shape: {text}"
    return f"line {_line(document, error)}: {text}"


def _line(document: Document, error: Exception) -> int:
    keys = _KEY_OF_ERROR.get(type(error).__name__, ("detection",))
    if type(error).__name__ in ("SigmaLogsourceError", "SigmaConditionError"):
        return document.line_of(*keys)
    found = _line_of_item(document, str(error.args[0] if error.args else ""))
    return found or document.line_of(*keys)


def _line_of_item(document: Document, message: str) -> int | None:
    """The line of the detection item that raises just this when it stands alone."""
    detection = document.content.get("detection")
    if not isinstance(detection, dict):
        return None
    for name, part in detection.items():
        for one in part if isinstance(part, list) else [part]:
            for key, value in one.items() if isinstance(one, dict) else ():
                try:
                    SigmaDetectionItem.from_mapping(key, value, policy=POLICY)
                except _MALFORMED as error:
                    if error.args and str(error.args[0]) == message:
                        return document.line_of("detection", str(name), str(key))
    return None


def _apply_filters(drafts: Sequence[_Draft]) -> None:
    """Add the conditions of Sigma filters to the rules that they are about."""
    for one in drafts:
        if not isinstance(one.parsed, SigmaFilter) or one.rule.status != "ok":
            continue
        for draft in drafts:
            if isinstance(draft.parsed, SigmaRule) and draft.rule.status == "ok":
                try:
                    one.parsed.apply_on_rule(draft.parsed)
                except _MALFORMED as error:
                    _refuse(draft, "error", f"the filter {one.rule.title!r}: {error}")


def _translate(draft: _Draft, placeholders: Placeholders) -> None:
    """Give a plain rule its condition, or the reason why it has none."""
    parsed = draft.parsed
    if draft.rule.status != "ok" or not isinstance(parsed, SigmaRule):
        return
    source = parsed.logsource
    other = [
        f"{name} {value!r}"
        for name, value, ours in (
            ("product", source.product, ("aws",)),
            ("service", source.service, ("cloudtrail",)),
            ("category", source.category, ("cloudtrail",)),
        )
        if value is not None and str(value).lower() not in ours
    ]
    if other:
        reason = f"its log source ({', '.join(other)}) is not CloudTrail"
        _refuse(draft, "unsupported", f"line {draft.document.line_of('logsource')}: {reason}")
        return
    parts: list[Node] = []
    for place in parsed.detection.parsed_condition:
        try:
            tree = place.parsed
            if tree is None:
                raise Unsupported("nothing is left of the condition")
            parts.append(build(tree, placeholders))
            require_shallow(parts[-1])
        except Unsupported as error:
            line = _line_of_value(draft.document, str(error))
            _refuse(draft, "unsupported", f"line {line}: {error}")
            return
        except _MALFORMED as error:
            _refuse(draft, "error", _fault(draft.document, error))
            return
    condition = parts[0] if len(parts) == 1 else Some(tuple(parts))
    draft.rule = replace(draft.rule, condition=condition)


def _line_of_value(document: Document, message: str) -> int:
    """The line of the detection item whose key or value a message speaks of, as near as it goes."""
    detection = document.content.get("detection")
    for name, part in detection.items() if isinstance(detection, dict) else ():
        for one in part if isinstance(part, list) else [part]:
            for key, value in one.items() if isinstance(one, dict) else ():
                listed = value if isinstance(value, list) else [value]
                if any(isinstance(text, str) and _tells(text, message) for text in listed):
                    return document.line_of("detection", str(name), str(key))
    return document.line_of("detection")


def _tells(text: str, message: str) -> bool:
    words = {text, repr(text)[1:-1], *(f"%{word}%" for word in text.split("%")[1::2])}
    return any(len(word) > 2 and word in message for word in words)


def _refuse(draft: _Draft, status: Any, reason: str) -> None:
    reasons = [*draft.faults, reason]
    draft.rule = replace(draft.rule, status=status, reason="; ".join(reasons), condition=None)


def _correlate(drafts: Sequence[_Draft]) -> None:
    """Give correlations the rules that they refer to, and tell those which serve only them."""
    places = _by_reference(drafts)
    silent: set[int] = set()
    for draft in drafts:
        parsed = draft.parsed
        if draft.rule.status != "ok" or not isinstance(parsed, SigmaCorrelationRule):
            continue
        line = draft.document.line_of("correlation")
        try:
            made = correlation(parsed, places)
        except UnknownRule as error:
            line = draft.document.line_of("correlation", "rules")
            _refuse(draft, "error", f"line {line}: {error}")
        except Unsupported as error:
            _refuse(draft, "unsupported", f"line {line}: {error}")
        except _MALFORMED as error:
            _refuse(draft, "error", f"line {line}: the correlation has an odd shape: {error}")
        else:
            draft.rule = replace(draft.rule, correlation=made)
            if not parsed.generate:
                silent.update(made.rules)
    for place in silent:
        drafts[place].rule = replace(drafts[place].rule, alerts=False)
    _refuse_broken_chains(drafts)


def _by_reference(drafts: Sequence[_Draft]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, draft in enumerate(drafts):
        for name in (draft.rule.rule_id, draft.rule.name):
            if name:
                places.setdefault(name, place)
    return places


def _refuse_broken_chains(drafts: Sequence[_Draft]) -> None:
    """A correlation runs only if all below it does, and nothing below it is itself."""
    depth: dict[int, str | None] = {}

    def trouble(place: int, above: tuple[int, ...]) -> str | None:
        if place in above:
            return "it refers to itself"
        if place not in depth:
            rule = drafts[place].rule
            depth[place] = None if rule.status == "ok" else f"{rule.title or rule.key!r} can't run"
            for below in rule.correlation.rules if rule.correlation else ():
                found = trouble(below, (*above, place))
                depth[place] = depth[place] or found
        return depth[place]

    for place, draft in enumerate(drafts):
        reason = trouble(place, ()) if draft.rule.correlation else None
        if draft.rule.status == "ok" and reason:
            line = draft.document.line_of("correlation", "rules")
            _refuse(draft, "unsupported", f"line {line}: {reason}")
