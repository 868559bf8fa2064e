"""What a shell offers as a value when Tab is pressed: `typer.Option(autocompletion=...)`.

Values are looked up at that moment, so that no other start of the program loads them. The shell leaves
out those that do not begin with what was typed. Where nothing is offered it completes names of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Values = Callable[[], Iterable[str | tuple[str, str]]]
"""Gives values, or values with what they mean."""


def one_of(*values: str) -> Values:
    """Offer these values."""
    return lambda: values


def severities() -> Iterable[str]:
    """The severities of anomalies, incidents and findings, the gravest first."""
    from ctanalytics.findings import SEVERITIES

    return reversed(SEVERITIES)


def detectors() -> Iterable[str]:
    """All detectors."""
    from ctanalytics.detectors import DETECTORS

    return DETECTORS


def queries() -> Iterable[tuple[str, str]]:
    """All saved queries, each with what it answers."""
    from ctanalytics.app.queries import queries as saved

    return [(one.name, one.about) for one in saved()]


def checks() -> Iterable[tuple[str, str]]:
    """All checks of an audit, each with what should hold."""
    from ctanalytics.posture.catalogue import about

    return [(name, words.title) for name, words in about().items()]


def kits() -> Iterable[tuple[str, str]]:
    """All that can be deployed."""
    from ctanalytics.app.deploy.kits import kits as known

    return [(one.name, one.title) for one in known().values()]


def rules() -> Iterable[str]:
    """The paths of the packaged rules."""
    from ctanalytics.sigma.pack import packaged, shown_path

    return [shown_path(str(path)) for path in sorted(packaged().rglob("*.yml"))]


def tables() -> Iterable[str]:
    """All tables of a lake."""
    from ctanalytics.lake.layout import TABLES

    return TABLES


def incidents() -> Iterable[str]:
    """What the simulator can play."""
    from ctanalytics.simulator.attacks import ATTACKS

    return ["all", "none", *ATTACKS]


def partitions() -> Iterable[str]:
    """The partitions of AWS that the simulator knows."""
    from ctanalytics.simulator.organization import partitions as known

    return known()
