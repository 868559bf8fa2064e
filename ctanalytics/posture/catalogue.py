"""What there is to say of each check besides its verdict: severity, reason, remedy, other names."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from ctanalytics import untrusted

CIS_VERSIONS: Final = (
    ("1.4.0", "1.5.0", "2.0.0"),
    ("3.0.0", "4.0.0", "4.0.1", "5.0.0"),
    ("6.0.0", "7.0.0"),
)
"""Versions of the CIS AWS Foundations Benchmark that number their recommendations alike."""


@dataclass(frozen=True, slots=True)
class About:
    """A check in words."""

    check_id: str
    title: str
    """What should hold."""
    why: str
    """What goes wrong otherwise."""
    subject: str
    """What is judged: trail, bucket, region, account, ..."""
    severity: str
    reads: tuple[str, ...]
    """The API calls that its verdict may rest on, besides those that find the subject."""
    cli: str
    """A command that mends it, with the subject's values in braces."""
    cloudformation: str
    cis: tuple[str, str, str] = ("", "", "")
    """Numbers in each group of CIS_VERSIONS; empty where there is none."""
    security_hub: tuple[str, ...] = ()
    config_rules: tuple[str, ...] = ()
    prowler: tuple[str, ...] = ()
    needs: str = ""
    """lake: it runs only beside a lake; lake_buckets: only where one is on S3."""

    def cis_by_version(self) -> dict[str, str]:
        """The recommendation's number in each version of the benchmark that has it."""
        return {
            version: number
            for versions, number in zip(CIS_VERSIONS, self.cis, strict=True)
            if number
            for version in versions
        }

    def remedy(self, values: Mapping[str, str]) -> str:
        """The command with a subject's values in it, quoted for a shell; unknown ones stay named."""
        quoted = {name: untrusted.shell_word(value) for name, value in values.items() if value}
        return self.cli.strip().format_map(_Values(quoted))


class _Values(dict[str, str]):
    """Values of a remedy; one that is not known stays as a NAME to fill in."""

    def __missing__(self, name: str) -> str:
        return name.upper().replace("_", "-")


@cache
def about() -> dict[str, About]:
    """All checks in the order of the catalogue, which is the order of findings."""
    found = _toml("checks.toml")
    return {name: _about(name, row) for name, row in found.items()}


def _about(name: str, row: Mapping[str, Any]) -> About:
    cis = tuple(row.get("cis", ("", "", "")))
    first, second, third = cis
    return About(
        check_id=name,
        title=row["title"],
        why=row["why"],
        subject=row["subject"],
        severity=row["severity"],
        reads=tuple(row["reads"]),
        cli=row["cli"],
        cloudformation=row["cloudformation"].strip("\n"),
        cis=(first, second, third),
        security_hub=tuple(row.get("security_hub", ())),
        config_rules=tuple(row.get("config_rules", ())),
        prowler=tuple(row.get("prowler", ())),
        needs=row.get("needs", ""),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """An event that a monitor must tell of, or must not."""

    name: str
    event: Mapping[str, Any] = field(default_factory=dict)

    @property
    def envelope(self) -> dict[str, Any]:
        """The event as EventBridge wraps it."""
        source = str(self.event.get("eventSource", "")).partition(".")[0]
        kinds = {"ConsoleLogin": "AWS Console Sign In via CloudTrail"}
        return {
            "source": f"aws.{'signin' if source == 'signin' else source}",
            "detail-type": kinds.get(
                str(self.event.get("eventName")), "AWS API Call via CloudTrail"
            ),
            "detail": self.event,
        }


@cache
def monitors(name: str) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return the events that a monitor must tell of, and ordinary ones that it must not."""
    found = _toml("monitors.toml")
    base: dict[str, Any] = found["base"]
    row = found["monitors"][name]
    samples = [
        Sample(event, {**base, "eventSource": service + ".amazonaws.com", "eventName": event})
        for service, events in row.get("calls", {}).items()
        for event in events.split()
    ]
    samples += [Sample(one["name"], _merged(base, one["event"])) for one in row.get("events", ())]
    ordinary = [Sample(one["name"], _merged(base, one["event"])) for one in found["ordinary"]]
    return tuple(samples), tuple(ordinary)


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    found = json.loads(json.dumps(base))
    for name, value in more.items():
        if isinstance(value, Mapping):
            found[name] = {**found.get(name, {}), **value}
        else:
            found[name] = value
    return dict(found)


def global_region(partition: str) -> str:
    """The region where a partition's global services log."""
    return str(_partition(partition)["global_region"])


def bucket_region(partition: str, location: object) -> str:
    """The region that S3 means by a bucket's location, which for the oldest is another name."""
    if not location:
        return global_region(partition)
    return str(_partition(partition).get("locations", {}).get(str(location), location))


def _partition(partition: str) -> Mapping[str, Any]:
    found = _toml("partitions.toml")
    return dict(found.get(partition) or found["aws"])


@cache
def _toml(name: str) -> dict[str, Any]:
    path = resources.files("ctanalytics.posture").joinpath("data", name)
    return tomllib.loads(path.read_text("utf-8"))
