"""Where alerts go. EMITTERS is the one list of kinds of targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics import untrusted
from ctanalytics.emitters.base import Emitter, Outside
from ctanalytics.emitters.terms import Habits
from ctanalytics.errors import UsageError


def _cloudwatch(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.cloudwatch import CloudWatch

    return CloudWatch.open(address, outside)


def _logs(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.logs import Logs

    return Logs.open(address, outside)


def _sns(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.sns import Sns

    return Sns.open(address, outside)


def _eventbridge(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.eventbridge import EventBridge

    return EventBridge.open(address, outside)


def _securityhub(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.securityhub import SecurityHub

    return SecurityHub.open(address, outside)


def _webhook(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.webhook import Webhook

    return Webhook.open(address, outside)


def _ocsf(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.ocsf import Ocsf

    return Ocsf.open(address, outside)


def _stdout(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.stream import Stdout

    return Stdout.open(address, outside)


def _file(address: str, outside: Outside) -> Emitter:
    from ctanalytics.emitters.stream import File

    return File.open(address, outside)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of target."""

    open: Callable[[str, Outside], Emitter]
    form: str
    habits: Habits


# Rates are those that every account has; a quota that was raised goes into emit.options.
EMITTERS: Final[dict[str, Kind]] = {
    "cloudwatch": Kind(_cloudwatch, "cloudwatch:NAMESPACE", Habits(100, grain="both")),
    "logs": Kind(_logs, "logs:GROUP", Habits(50)),
    "sns": Kind(_sns, "sns:TOPIC_ARN", Habits(50, for_people=True)),
    "eventbridge": Kind(_eventbridge, "eventbridge:BUS", Habits(40)),
    "securityhub": Kind(_securityhub, "securityhub:", Habits(10)),
    "webhook": Kind(_webhook, "webhook:URL", Habits(1, for_people=True)),
    "ocsf": Kind(_ocsf, "ocsf:PATH", Habits(0)),
    "stdout": Kind(_stdout, "stdout", Habits(0)),
    "file": Kind(_file, "file:PATH", Habits(0)),
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
            where=f"--to {untrusted.one_line(kind)}:…",
            mend=f"use one of {FORMS}",
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
