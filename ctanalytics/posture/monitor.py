"""Checks that somebody is told of the events that CIS lists, and of tampering with trails.

The whole chain has to hold: a multi-region trail that logs, its log group, a metric filter that
matches every event of the list, an alarm on its metric with enabled actions, a topic with a
confirmed subscriber. Instead of filter and alarm, an EventBridge rule may tell the topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ctanalytics.posture import pattern, things, watching
from ctanalytics.posture.catalogue import Sample, monitors
from ctanalytics.posture.view import Subject, Unread, Verdict, View, failed, listed, passed


@dataclass(frozen=True, slots=True)
class _Watch:
    """A metric filter or a rule: what it matches, and whether that reaches anybody."""

    name: str
    text: str
    """Its pattern."""
    matches: Callable[[str, Sample], bool]
    broken: str = ""
    """Where the way to a person breaks; empty when it does not."""

    def tells(self, sample: Sample) -> bool:
        """Tell whether it matches an event; a pattern that can't be read matches nothing."""
        try:
            return self.matches(self.text, sample)
        except pattern.Unreadable:
            return False


def _by_filter(text: str, sample: Sample) -> bool:
    return pattern.filter_matches(text, sample.event)


def _by_rule(text: str, sample: Sample) -> bool:
    return pattern.rule_matches(text, sample.envelope)


def check(name: str) -> Callable[[View, Subject], Verdict]:
    """Return the check of one list of events."""

    def judge(view: View, _: Subject) -> Verdict:
        return _judge(view, name)

    judge.__doc__ = f"Somebody is told of {name.replace('-', ' ')}."
    return judge


def _judge(view: View, name: str) -> Verdict:
    samples, ordinary = monitors(name)
    untold = {sample.name for sample in samples}
    why: list[str] = []
    by: list[str] = []
    unread: Unread | None = None
    for source in (_filters, _rules):
        try:
            for watch in source(view):
                told = {sample.name for sample in samples if watch.tells(sample)}
                if not told:
                    continue
                if any(watch.tells(sample) for sample in ordinary):
                    why.append(f"{watch.name} matches ordinary calls too")
                elif watch.broken:
                    why.append(f"{watch.name}: {watch.broken}")
                else:
                    by.append(watch.name)
                    untold -= told
        except Unread as found:
            unread = unread or found
        if not untold:
            return passed(f"told by {listed(by)}", by=by)
    if unread is not None:
        raise unread
    missing = sorted(untold)
    return failed(
        f"nobody is told of {listed(missing)}" + (f": {listed(why, 3)}" if why else ""),
        events=missing,
        reasons=why,
    )


def _filters(view: View) -> Iterator[_Watch]:
    """The metric filters of the log groups that a multi-region trail writes to."""
    found = things.log_groups(view)
    unread = list(found.unseen)
    for group in found.known:
        try:
            trails = [
                trail
                for trail in group.facts["trails"]
                if trail.facts.get("IsMultiRegionTrail") and things.is_logging(view, trail)
            ]
            for one in watching.metric_filters(view, group) if trails else ():
                yield _filter(view, group, one)
        except Unread as why:
            unread.append(why)
    if unread:
        raise unread[0]


def _filter(view: View, group: Subject, one: Mapping[str, Any]) -> _Watch:
    name, text = f"metric filter {one.get('filterName')}", str(one.get("filterPattern", ""))
    broken = "no alarm watches its metric"
    for alarm in watching.alarms_on(view, group.aws_region, watching.filter_metrics([one])):
        broken = _alarm_breaks(view, alarm)
        if not broken:
            return _Watch(f"{name} and alarm {alarm.get('AlarmName')}", text, _by_filter)
    return _Watch(name, text, _by_filter, broken)


def _alarm_breaks(view: View, alarm: Mapping[str, Any]) -> str:
    """Say where an alarm's way to a person breaks; empty when it does not."""
    label = f"alarm {alarm.get('AlarmName')}"
    actions = watching.actions(view, alarm)
    if not actions:
        return f"{label} has no action"
    if not alarm.get("ActionsEnabled", True) and actions == tuple(alarm.get("AlarmActions") or ()):
        return f"{label} has its actions disabled"
    return _targets_break(view, label, actions)


def _targets_break(view: View, label: str, targets: tuple[str, ...]) -> str:
    topics = [one for one in targets if watching.is_topic(one)]
    # What is no topic acts by itself: a function, a queue, an incident manager.
    if len(topics) < len(targets) or any(watching.subscribers(view, topic) for topic in topics):
        return ""
    return f"{label} tells {listed(topics)}, to which nobody has subscribed"


def _rules(view: View) -> Iterator[_Watch]:
    """EventBridge rules that every audited region has: events come up where they happen."""
    found: dict[str, _Watch] = {}
    regions: dict[str, set[str]] = {}
    for region in view.snapshot.regions:
        for rule in watching.rules(view, region):
            if not watching.is_about_trails(rule):
                continue
            watch = _rule(view, region, rule)
            regions.setdefault(watch.name, set()).add(region)
            if watch.name not in found or watch.broken:
                found[watch.name] = watch
    for name, watch in found.items():
        missing = sorted(set(view.snapshot.regions) - regions[name])
        if missing and not watch.broken:
            yield replace(watch, broken=f"it is missing in {listed(missing)}")
        else:
            yield watch


def _rule(view: View, region: str, rule: Mapping[str, Any]) -> _Watch:
    name, text = f"EventBridge rule {rule.get('Name')}", str(rule.get("EventPattern"))
    targets = watching.targets(view, region, rule)
    if not targets:
        return _Watch(name, text, _by_rule, "it has no target")
    direct = tuple(one for one in targets if not watching.own_bus(view, one))
    if direct and not _targets_break(view, "it", direct):
        return _Watch(name, text, _by_rule)
    beyond = tuple(one for arn in targets for one in _beyond(view, arn))
    if beyond:
        return _Watch(name, text, partial(_by_bus, beyond))
    told = listed(list(targets))
    return _Watch(name, text, _by_rule, f"it tells {told}, and nobody has subscribed there")


def _beyond(view: View, bus: str) -> Iterator[str]:
    """The patterns of a bus's rules that tell somebody."""
    name, region = watching.own_bus(view, bus), things.region_of(bus)
    for rule in watching.rules(view, region, name) if name else ():
        targets = watching.targets(view, region, rule)
        if targets and not _targets_break(view, "it", targets):
            yield str(rule.get("EventPattern"))


def _by_bus(beyond: tuple[str, ...], text: str, sample: Sample) -> bool:
    """Match a rule, and one of those on the bus that it tells."""
    return _by_rule(text, sample) and any(_by_rule(one, sample) for one in beyond)


def tampering_rule(view: View, region: Subject) -> Verdict:
    """An EventBridge rule of the region tells somebody of tampering with trails, at once."""
    samples, ordinary = monitors("tampering-rule")
    why: list[str] = []
    for rule in watching.rules(view, region.aws_region):
        if not watching.is_about_trails(rule):
            continue
        watch = _rule(view, region.aws_region, rule)
        missing = sorted(sample.name for sample in samples if not watch.tells(sample))
        if len(missing) == len(samples) or any(watch.tells(sample) for sample in ordinary):
            continue
        if not missing and not watch.broken:
            return passed(f"the {watch.name} tells of tampering", rule=rule.get("Arn"))
        why.append(f"{watch.name}: {watch.broken or 'it does not match ' + listed(missing)}")
    return failed(
        "no rule tells of tampering with trails" + (f": {listed(why, 3)}" if why else ""),
        reasons=why,
    )
