"""Checks of the alarms that watch the trail: that they act, and that somebody hears them."""

from __future__ import annotations

import datetime as dt
from typing import Final

from ctanalytics.posture import watching
from ctanalytics.posture.view import Subject, Verdict, View, failed, listed, moment, passed

_HOUR: Final = 3600
_STUCK: Final = dt.timedelta(days=1)
_ABSURD: Final = 100.0  # events of a kind that one is worth a look at


def actions_exist(view: View, alarm: Subject) -> Verdict:
    """The alarm does something when it goes off."""
    found = watching.actions(view, alarm)
    if found:
        return passed(f"the alarm tells {listed(list(found))}", actions=found)
    return failed("the alarm tells nobody")


def actions_enabled(_: View, alarm: Subject) -> Verdict:
    """The alarm's actions are not switched off."""
    if alarm.facts.get("ActionsEnabled", False):
        return passed("the alarm's actions are enabled")
    return failed("the alarm's actions are disabled")


def topic_subscribed(view: View, alarm: Subject) -> Verdict:
    """Somebody has confirmed that they want to hear the alarm."""
    topics = [one for one in watching.actions(view, alarm) if watching.is_topic(one)]
    if not topics:
        if watching.actions(view, alarm):
            return passed("does not apply: the alarm acts through no topic", applies=False)
        return failed("the alarm tells no topic")
    counts = {topic: watching.subscribers(view, topic) for topic in topics}
    if any(counts.values()):
        return passed(f"{sum(counts.values())} confirmed subscribers", subscribers=counts)
    return failed(f"nobody has subscribed to {listed(topics)}", topics=topics)


def muted(view: View, alarm: Subject) -> Verdict:
    """The alarm can go off: no mute rule, no lack of data, no period or threshold too large."""
    answer = view.answer("cloudwatch", "ListAlarmMuteRules", alarm.aws_region)
    active = [
        one for one in answer.get("AlarmMuteRuleSummaries") or () if one.get("Status") == "ACTIVE"
    ]
    for one in active:
        rule = view.answer(
            "cloudwatch",
            "GetAlarmMuteRule",
            alarm.aws_region,
            AlarmMuteRuleName=str(one.get("AlarmMuteRuleArn")).rpartition(":")[2],
        )
        names = (rule.get("MuteTargets") or {}).get("AlarmNames") or ()
        if alarm.name in names:
            return failed(f"the mute rule {rule.get('Name')} is active", rule=rule.get("Name"))
    facts = alarm.facts
    changed = moment(facts.get("StateUpdatedTimestamp"))
    if (
        facts.get("StateValue") == "INSUFFICIENT_DATA"
        and facts.get("TreatMissingData", "missing") in ("missing", "ignore")
        and changed is not None
        and view.now - changed > _STUCK
    ):
        return failed("the alarm has had no data for more than a day", since=changed.isoformat())
    if float(facts.get("Threshold") or 0) > _ABSURD:
        return failed(
            f"it goes off only above {facts['Threshold']:g}", threshold=facts["Threshold"]
        )
    if int(facts.get("Period") or 0) > _HOUR:
        return failed(f"it looks only every {facts['Period']} seconds", period=facts["Period"])
    return passed("the alarm can go off")
