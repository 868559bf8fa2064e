"""Where anomalies go. EMITTERS is the one list of kinds of targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ctanalytics import untrusted
from ctanalytics.emitters.base import Emitter, Outside
from ctanalytics.emitters.cloudwatch import CloudWatch
from ctanalytics.emitters.sns import Sns
from ctanalytics.emitters.stream import File, Stdout
from ctanalytics.errors import UsageError

EMITTERS: dict[str, Callable[[str, Outside], Emitter]] = {
    "cloudwatch": CloudWatch.open,
    "sns": Sns.open,
    "stdout": Stdout.open,
    "file": File.open,
}
"""What stands before the colon of a target -> what opens it."""

FORMS = "cloudwatch:NAMESPACE, sns:TOPIC_ARN, stdout, file:PATH"


def parse_target(text: str, outside: Outside) -> Emitter:
    """Open the target that a user named.

    Raises:
        UsageError: there is no such kind of target, or its address is wrong.
    """
    kind, _, address = text.partition(":")
    if kind not in EMITTERS:
        raise UsageError(
            f"there is no target {untrusted.one_line(kind)!r}",
            where=f"--to {untrusted.one_line(text)}",
            mend=f"use one of {FORMS}",
        )
    return EMITTERS[kind](address, outside)


def parse_targets(texts: Sequence[str], outside: Outside) -> list[Emitter]:
    """Open all targets, each once.

    Raises:
        UsageError: naming everything that is wrong with them at once.
    """
    found: dict[str, Emitter] = {}
    faults: list[UsageError] = []
    for text in texts:
        try:
            emitter = parse_target(text, outside)
            found[emitter.target] = emitter
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
