"""What identifies a person in an alert, hidden before it leaves: masked, or hashed with a key.

Hidden are names of IAM users and of sessions, whom an ARN or a chain of sessions names; e-mail
addresses; single addresses of IPv4 and IPv6; access keys. Not hidden are roles, accounts, networks
and event ids, by which whoever may read the lake finds the rest.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from ctanalytics.emitters.base import Alert

Pii = Literal["full", "masked", "hashed"]

_NAME: Final = r"(?P<name>[\w+=,.@-]*[\w+=@-])"  # a full stop or comma after it is the sentence's
_IN_ARN: Final = re.compile(
    r"(?P<before>arn:[\w-]+:(?:iam::\d{12}:user/(?:[\w+=,.@/-]*/)?"
    r"|sts::\d{12}:(?:assumed-role/[\w+=,.@-]+/|federated-user/)))" + _NAME
)
_IN_ID: Final = re.compile(r"(?P<before>\bA(?:ROA|IDA)[A-Z0-9]{6,}:)" + _NAME)
# Begun only where a word begins and never shortened: a text of one long word takes linear time.
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]++@(?=[\w-]+\.[\w.-]+)[\w.-]+")
_KEY_ID: Final = re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b")
_ADDRESS: Final = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
    r"(?:(?:\d{1,3}\.){3}\d{1,3})?)(?!/\d)(?![\w:])"
)
_PERSONS: Final = frozenset(
    ("people", "userName", "user_name", "sourceIdentity", "source_identity", "roleSessionName")
)
"""Keys of the evidence whose values are names."""
_SHORTEST: Final = 3
"""A name of fewer characters is hidden in its ARN alone: it is part of too many words."""

Hide = Callable[[str], str]


def private(alert: Alert, how: Pii, key: bytes | None = None) -> Alert:
    """Return the alert as a target may see it; its id, state and revision stay.

    Args:
        key: of the hashes; equal names have equal hashes in all alerts.
    """
    if how == "full":
        return alert
    hide = _hashed(key) if how == "hashed" else _masked
    hidden = _Hidden(hide, tuple(sorted(_names(alert), key=lambda one: (-len(one), one))))
    evidence: dict[str, Any] = hidden.data(alert.evidence)
    if evidence.get("sql") != alert.evidence.get("sql"):
        del evidence["sql"]  # it would find nothing
    return replace(
        alert,
        title=hidden.text(alert.title),
        explanation=hidden.text(alert.explanation),
        principal_arn=hidden.data(alert.principal_arn),
        evidence=evidence,
        insight=hidden.data(alert.insight),
        incident=hidden.data(alert.incident),
    )


def _masked(_: str) -> str:
    return "***"


def _hashed(key: bytes | None) -> Hide:
    if key is None:
        raise ValueError("hashing needs a key")

    def hide(value: str) -> str:
        return "#" + hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:12]

    return hide


class _Hidden:
    """Replaces all that is personal in texts, by one way of hiding."""

    def __init__(self, hide: Hide, names: tuple[str, ...]) -> None:
        self._hide = hide
        self._names: re.Pattern[str] | None = None
        if names:
            either = "|".join(map(re.escape, names))
            self._names = re.compile(rf"(?<![\w@#-])(?:{either})(?![\w@-])")

    def text(self, text: str) -> str:
        """Return a text without what is personal."""
        for within in (_IN_ARN, _IN_ID):
            text = within.sub(lambda found: found["before"] + self._hide(found["name"]), text)
        if self._names is not None:
            text = self._names.sub(lambda found: self._hide(found[0]), text)
        text = _EMAIL.sub(lambda found: self._hide(found[0]), text)
        text = _KEY_ID.sub(lambda found: f"{found[0][:4]}{self._hide(found[0])}", text)
        return _ADDRESS.sub(lambda found: self._address(found[0]), text)

    def data(self, value: Any) -> Any:
        """Return the same data with every text in it so treated."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                name: self._persons(inner) if name in _PERSONS else self.data(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.data(inner) for inner in value]
        return value

    def _persons(self, value: Any) -> Any:
        """Names, which a text alone does not tell from other words."""
        if isinstance(value, list | tuple):
            return [self._persons(inner) for inner in value]
        if isinstance(value, str) and not value.startswith("arn:"):
            return self._hide(value)
        return self.data(value)

    def _address(self, text: str) -> str:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return text
        return self._hide(text)


def _names(alert: Alert) -> set[str]:
    """The names that ARNs and other fields of the alert give away."""
    data = [alert.evidence, alert.insight, alert.incident]
    text = "\n".join(
        [alert.title, alert.explanation, alert.principal_arn or "", json.dumps(data, default=str)]
    )
    found = {match["name"] for within in (_IN_ARN, _IN_ID) for match in within.finditer(text)}
    found |= {name for one in data for name in _persons_in(one)}
    return {name for name in found if len(name) >= _SHORTEST}


def _persons_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in _PERSONS:
                inner = [inner] if isinstance(inner, str) else inner
                yield from (one for one in inner or () if isinstance(one, str))
            else:
                yield from _persons_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _persons_in(inner)
