"""Where rules are: those that come with ctanalytics, and the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path, PurePath
from typing import Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import RulesError
from ctanalytics.settings import Rules
from ctanalytics.sigma.condition import Placeholders
from ctanalytics.sigma.rule import Rule

KNOWN: Final = {
    "log_buckets": "S3 buckets with CloudTrail's logs [those that the lake was ingested from]",
    "trail_names": "names or ARNs of trails",
    "trail_keys": "ids, ARNs or aliases of the KMS keys of trails and their buckets",
    "log_groups": "CloudWatch log groups of trails",
    "alarms": "CloudWatch alarms that watch a trail or feed on one",
    "topics": "SNS topics of trails and alarms",
    "event_rules": "EventBridge rules that watch API calls",
    "watch_roles": "roles of ctanalytics itself and of log shipping",
    "watch_queues": "SQS queues of ctanalytics",
    "own_accounts": "accounts of your organization [those that the lake has logs of]",
}
"""Placeholders of the packaged rules; without a value what they stand for matches nothing."""

_PACK: Final = "rules"


def packaged() -> Path:
    """Return the folder of the packaged rules."""
    return Path(str(resources.files("ctanalytics").joinpath(_PACK)))


def places(directories: Sequence[str | Path], settings: Rules) -> list[Path]:
    """Return where to read rules: the folders and files that are named, else those of the settings.

    Raises:
        RulesError: there is no such folder or file.
    """
    own = [Path(one) for one in directories or settings.directories]
    missing = [str(one) for one in own if not one.exists()]
    if missing:
        raise RulesError(
            "there is no such folder or file of rules",
            where=", ".join(missing),
            mend="name a folder with Sigma rules, or none for the packaged ones",
        )
    if directories or not settings.packaged:
        return own
    return [packaged(), *own]


def shown_path(path: str) -> str:
    """Return a rule's path as people write it: of a packaged rule from the pack on, no suffix."""
    root = packaged()
    pure = PurePath(path)
    if pure.is_relative_to(root):
        return pure.relative_to(root).with_suffix("").as_posix()
    return path


def is_named(rule: Rule, name: str) -> bool:
    """Whether a person means this rule: by its id, its name or its path, with or without suffix."""
    path = PurePath(rule.path)
    known = {rule.rule_id, rule.name, rule.path, shown_path(rule.path), str(path.with_suffix(""))}
    return name in known or (name == rule.title and bool(name))


def placeholders(settings: Rules, engine: Engine | None = None) -> Placeholders:
    """Return the values of placeholders: the settings', else what the lake itself tells."""
    found: dict[str, Sequence[str]] = dict.fromkeys(KNOWN, ())
    if engine is not None:
        rows = engine.run("sigma/origins").to_pylist()
        found["log_buckets"] = sorted({row["bucket"] for row in rows if row["bucket"]})
        found["own_accounts"] = sorted({row["account_id"] for row in rows if row["account_id"]})
    return found | settings.placeholders
