"""Where alerts go. EMITTERS is the one list of kinds of targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics import untrusted
from ctanalytics.emitters.base import Emitter, Outside
from ctanalytics.emitters.cloudwatch import CloudWatch
from ctanalytics.emitters.eventbridge import EventBridge
from ctanalytics.emitters.logs import Logs
from ctanalytics.emitters.ocsf import Ocsf
from ctanalytics.emitters.securityhub import SecurityHub
from ctanalytics.emitters.sns import Sns
from ctanalytics.emitters.stream import File, Stdout
from ctanalytics.emitters.terms import Habits
from ctanalytics.emitters.webhook import Webhook
from ctanalytics.errors import UsageError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of target."""

    open: Callable[[str, Outside], Emitter]
    form: str
    habits: Habits


# Rates are those that every account has; a quota that was raised goes into emit.options.
EMITTERS: Final[dict[str, Kind]] = {
    "cloudwatch": Kind(CloudWatch.open, "cloudwatch:NAMESPACE", Habits(100, grain="both")),
    "logs": Kind(Logs.open, "logs:GROUP", Habits(50)),
    "sns": Kind(Sns.open, "sns:TOPIC_ARN", Habits(50, for_people=True)),
    "eventbridge": Kind(EventBridge.open, "eventbridge:BUS", Habits(40)),
    "securityhub": Kind(SecurityHub.open, "securityhub:", Habits(10)),
    "webhook": Kind(Webhook.open, "webhook:URL", Habits(1, for_people=True)),
    "ocsf": Kind(Ocsf.open, "ocsf:PATH", Habits(0)),
    "stdout": Kind(Stdout.open, "stdout", Habits(0)),
    "file": Kind(File.open, "file:PATH", Habits(0)),
}
"""What stands before the colon of a target -> what opens it."""

FORMS: Final = ", ".join(kind.form for kind in EMITTERS.values())


@dataclass(frozen=True, slots=True)
class Target:
    """A target that can be sent to, by all its names."""

    emitter: Emitter
    names: tuple[str, ...]
    """Its kind, as the user wrote it, and as the outbox calls it: what settings may call it."""
    habits: Habits


def parse_target(text: str, outside: Outside) -> Target:
    """Open the target that a user named.

    Raises:
        UsageError: there is no such kind of target, or its address is wrong.
    """
    kind, _, address = text.partition(":")
    if kind not in EMITTERS:
        raise UsageError(
            f"there is no target {untrusted.one_line(kind)!r}",
            where=f"--to {untrusted.one_line(kind)}{':…' if address else ''}",
            mend=f"use one of {FORMS}; a chat such as Slack is a webhook",
        )
    emitter = EMITTERS[kind].open(address, outside)
    names = tuple(dict.fromkeys((kind, text, emitter.target)))
    return Target(emitter, names, EMITTERS[kind].habits)


def parse_targets(texts: Sequence[str], outside: Outside) -> list[Target]:
    """Open all targets, each once.

    Raises:
        UsageError: naming everything that is wrong with them at once.
    """
    found: dict[str, Target] = {}
    faults: list[UsageError] = []
    for text in texts:
        try:
            target = parse_target(text, outside)
            found.setdefault(target.emitter.target, target)
        except UsageError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise UsageError(
            "targets that can't be used: " + "; ".join(f"{x.where}: {x.what}" for x in faults),
            where="--to",
            mend=f"use {FORMS}",
        )
    return list(found.values())
