"""What watches a trail: metric filters and their alarms, EventBridge rules, topics, subscribers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctanalytics.posture.things import (
    account_of,
    log_group_facts,
    log_groups,
    region_of,
    trails,
)
from ctanalytics.posture.view import Subject, Subjects, Unread, View


def metric_filters(view: View, group: Subject) -> Sequence[Mapping[str, Any]]:
    """The metric filters of a log group."""
    if not log_group_facts(view, group):
        return ()
    answer = view.answer("logs", "DescribeMetricFilters", group.aws_region, logGroupName=group.name)
    return list(answer.get("metricFilters") or ())


def all_alarms(view: View, region: str) -> Sequence[Mapping[str, Any]]:
    """Every alarm of a region, of one metric or of several; composite ones included."""
    answer = view.answer(
        "cloudwatch", "DescribeAlarms", region, AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    return [*(answer.get("MetricAlarms") or ()), *(answer.get("CompositeAlarms") or ())]


def alarms_on(view: View, region: str, metrics: set[tuple[str, str]]) -> list[Mapping[str, Any]]:
    """The alarms of a region on any of these metrics, each (namespace, name)."""
    return [one for one in all_alarms(view, region) if _metrics_of(one) & metrics]


def _metrics_of(alarm: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = {(str(alarm.get("Namespace")), str(alarm.get("MetricName")))}
    for query in alarm.get("Metrics") or ():
        metric = (query.get("MetricStat") or {}).get("Metric") or {}
        found.add((str(metric.get("Namespace")), str(metric.get("MetricName"))))
    return found


def filter_metrics(filters: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """The metrics that filters count into, each (namespace, name)."""
    return {
        (str(one.get("metricNamespace")), str(one.get("metricName")))
        for each in filters
        for one in each.get("metricTransformations") or ()
    }


def alarms(view: View) -> Subjects:
    """Each alarm that watches the trail: on a metric of its filters, or on ctanalytics' own."""
    groups = log_groups(view)
    known: dict[str, Subject] = {}
    unseen = list(groups.unseen)
    for group in groups.known:
        try:
            metrics = filter_metrics(metric_filters(view, group))
            found = alarms_on(view, group.aws_region, metrics) if metrics else []
        except Unread as why:
            unseen.append(why)
            continue
        known |= {one.resource: one for one in map(_alarm, found)}
    for region in view.snapshot.regions if view.expected.metric_namespaces else ():
        try:
            known |= {
                one.resource: one
                for one in map(_alarm, all_alarms(view, region))
                if one.facts.get("Namespace") in view.expected.metric_namespaces
            }
        except Unread as why:
            unseen.append(why)
    return Subjects(tuple(known[arn] for arn in sorted(known)), tuple(unseen))


def _alarm(facts: Mapping[str, Any]) -> Subject:
    arn, name = str(facts.get("AlarmArn")), str(facts.get("AlarmName"))
    values = {"alarm": name, "region": region_of(arn), "account": account_of(arn)}
    return Subject(arn, region_of(arn), name, facts, values)


def actions(view: View, alarm: Subject | Mapping[str, Any]) -> tuple[str, ...]:
    """What an alarm does when it goes off: its own actions, and those of composites over it."""
    facts = alarm.facts if isinstance(alarm, Subject) else alarm
    own = tuple(str(one) for one in facts.get("AlarmActions") or ())
    name, region = str(facts.get("AlarmName")), region_of(str(facts.get("AlarmArn")))
    over = [
        str(action)
        for one in all_alarms(view, region)
        if one.get("AlarmRule")
        and one.get("ActionsEnabled")
        and _names(str(one["AlarmRule"]), name)
        for action in one.get("AlarmActions") or ()
    ]
    return (*own, *over)


def _names(rule: str, alarm: str) -> bool:
    return f'"{alarm}"' in rule or f"({alarm})" in rule


def topics(view: View) -> Subjects:
    """Each topic that alarms, rules on tampering or trails tell, with which of them do."""
    known: dict[str, set[str]] = defaultdict(set)
    found = alarms(view)
    unseen = list(found.unseen)
    for alarm in found.known:
        for arn in filter(is_topic, actions(view, alarm)):
            known[arn].add("alarm")
    for region in view.snapshot.regions:
        try:
            for arn in rule_topics(view, region):
                known[arn].add("rule")
        except Unread as why:
            unseen.append(why)
    for trail in trails(view).known:
        if arn := str(trail.facts.get("SnsTopicARN") or ""):
            known[arn].add("trail")
    return Subjects(tuple(_topic(arn, known[arn]) for arn in sorted(known)), tuple(unseen))


def _topic(arn: str, users: set[str]) -> Subject:
    values = {"topic": arn, "region": region_of(arn), "account": account_of(arn)}
    facts = {"users": tuple(sorted(users))}
    return Subject(arn, region_of(arn), arn.rpartition(":")[2], facts, values)


def is_topic(arn: str) -> bool:
    """Tell whether an ARN is an SNS topic's."""
    return arn.split(":")[2:3] == ["sns"]


def rules(view: View, region: str, bus: str = "") -> Sequence[Mapping[str, Any]]:
    """The enabled EventBridge rules of a region that have an event pattern.

    Args:
        bus: the bus that they are on; empty: the one where AWS's own events come up.
    """
    on = {"EventBusName": bus} if bus else {}
    answer = view.answer("events", "ListRules", region, **on)
    return [
        one
        for one in answer.get("Rules") or ()
        if str(one.get("State", "")).startswith("ENABLED") and one.get("EventPattern")
    ]


def targets(view: View, region: str, rule: Mapping[str, Any]) -> tuple[str, ...]:
    """What a rule tells."""
    bus = str(rule.get("EventBusName") or "default")
    on = {} if bus == "default" else {"EventBusName": bus}
    answer = view.answer("events", "ListTargetsByRule", region, Rule=str(rule.get("Name")), **on)
    return tuple(str(one.get("Arn")) for one in answer.get("Targets") or ())


def is_about_trails(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule's pattern speaks of CloudTrail."""
    text = str(rule.get("EventPattern"))
    return "cloudtrail" in text.lower()


def own_bus(view: View, arn: str) -> str:
    """The name of a bus of the account by its ARN; empty for anything else."""
    parts = arn.split(":", 5)
    if parts[2:3] != ["events"] or parts[4] != view.account_id:
        return ""
    return parts[5].partition("event-bus/")[2]


def rule_topics(view: View, region: str) -> Iterator[str]:
    """The topics that a region's rules on CloudTrail's events tell, by a bus between or at once."""
    buses = set()
    for rule in rules(view, region):
        if is_about_trails(rule):
            told = targets(view, region, rule)
            buses |= {(region_of(arn), own_bus(view, arn)) for arn in told if own_bus(view, arn)}
            yield from (one for one in told if is_topic(one))
    for where, bus in sorted(buses):
        for rule in rules(view, where, bus):
            yield from (one for one in targets(view, where, rule) if is_topic(one))


def subscribers(view: View, topic: str) -> int:
    """Count the confirmed subscriptions of a topic; none when it is gone."""
    answer = view.answer("sns", "ListSubscriptionsByTopic", region_of(topic), TopicArn=topic)
    return sum(
        str(one.get("SubscriptionArn", "")).startswith("arn:")
        for one in answer.get("Subscriptions") or ()
    )
