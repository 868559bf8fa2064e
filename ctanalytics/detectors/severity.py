"""How loud an anomaly is: what it could mean, times how sure the statistics are.

| impact | likely | strong | overwhelming |
|---|---|---|---|
| sensitive call that succeeded | medium | high | high |
| other write that succeeded | low | medium | high |
| read, or throttled and failing calls | low | low | medium |
| refused calls only | low | medium | medium |
| refused by a policy of the organization | low | low | medium |
| a series that went silent | low | medium | medium |

"critical" is never given by a statistic alone. Confidence is by how far the score (-log10 p)
exceeds its threshold: under 1 likely, under 3 strong, else overwhelming.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Final, Literal

_LOOKING: Final = ("Describe", "Get", "Head", "List", "Lookup", "BatchGet")
Impact = Literal["sensitive", "write", "read", "denied", "silent"]

_TABLE: Final[dict[Impact, tuple[str, str, str]]] = {
    "sensitive": ("medium", "high", "high"),
    "write": ("low", "medium", "high"),
    "read": ("low", "low", "medium"),
    "denied": ("low", "medium", "medium"),
    "silent": ("low", "medium", "medium"),
}


def severity(impact: Impact, margin: float) -> str:
    """Return the severity of an impact whose score exceeds its threshold by a margin."""
    return _TABLE[impact][0 if margin < 1 else 1 if margin < 3 else 2]


@cache
def _classes() -> dict[str, dict[str, list[str]]]:
    text = (
        resources.files("ctanalytics.detectors").joinpath("data", "classes.toml").read_text("utf-8")
    )
    return tomllib.loads(text)


def is_sensitive(event_source: str | None, event_name: str | None) -> bool:
    """Tell whether a call touches identities, secrets, logging, sharing or deletion."""
    found = _classes()["sensitive"].get(event_source or "", [])
    return event_name in found


def sensitive_calls() -> list[tuple[str, str]]:
    """Return all (event_source, event_name) of the sensitive list, sorted."""
    return sorted(
        (source, name) for source, names in _classes()["sensitive"].items() for name in names
    )


def error_class(error_code: str | None, event_name: str | None = None) -> str:
    """Return denied, throttle, benign or fault for an error code.

    `benign` are answers that mean "it would have worked" (EC2's DryRun) or, to a call that only
    looks, "there is none".

    Args:
        event_name: the call that got the error; None stands for a call that looks.
    """
    code = (error_code or "").removeprefix("Client.").removeprefix("Server.")
    classes = _classes()["errors"]
    if code in classes["benign_always"]:
        return "benign"
    looks = event_name is None or event_name.startswith(_LOOKING)
    for name in ("denied", "throttle", "benign"):
        known = (
            code in classes[name]
            or code.startswith(tuple(classes[f"{name}_prefix"]))
            or code.endswith(tuple(classes[f"{name}_suffix"]))
        )
        if known and (looks or name != "benign"):
            return name
    return "fault"
