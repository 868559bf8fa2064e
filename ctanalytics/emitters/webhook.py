"""Alerts as messages to a webhook of Slack, or of what understands the same: Mattermost and others.

The address of a webhook is its password. It is kept out of the outbox, of messages and of errors:
there it shows as its host and a hash.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ctanalytics import untrusted
from ctanalytics._version import __version__
from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, groups
from ctanalytics.emitters.message import headline, lines
from ctanalytics.errors import EmitError, UsageError

MAX_CHARACTERS: Final = 3_500  # of a text; Slack breaks one of more than 4,000 in two
TIMEOUT_SECONDS: Final = 30.0
_SENTENCES: Final = (1_000, 400, 100)
"""Characters of each, as the message gets shorter: a long name must not push out who and where."""
_FROM_VARIABLE: Final = "env:"
_GONE: Final = frozenset((401, 403, 404, 405, 410))
"""Answers that speak of the webhook, not of the message."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook; its address is shown to nobody."""

    url: str = field(repr=False)

    @classmethod
    def open(cls, address: str, outside: Outside) -> Webhook:
        """Return the emitter of an address, or of the one in a variable: `webhook:env:NAME`."""
        url = address
        if address.startswith(_FROM_VARIABLE):
            name = address.removeprefix(_FROM_VARIABLE)
            url = os.environ.get(name, "")
            if not url:
                raise UsageError(
                    f"the variable {untrusted.one_line(name)} holds no address",
                    where=f"webhook:{untrusted.one_line(address)}",
                    mend="set it to the webhook's https:// address",
                )
        _check(url)
        return cls(url)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"webhook:{_shown(self.url)}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return groups(alerts, 1)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        return [self._post(alert) for alert in alerts]

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        return f"would post {len(alerts)} messages"

    def _post(self, alert: Alert) -> Outcome:
        request = urllib.request.Request(  # noqa: S310  # _check allows https and loopback alone
            self.url,
            data=json.dumps(_message(alert)).encode(),
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"ctanalytics/{__version__}",
                "Idempotency-Key": untrusted.file_name(alert.alert_id),
            },
        )
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS):
                return Outcome("sent")
        except urllib.error.HTTPError as error:
            with error:
                return self._answered(error.code, error.headers.get("Retry-After"))
        except (OSError, http.client.HTTPException) as error:
            # The kind of the reason alone: the error itself may hold the address.
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError | ConnectionResetError | http.client.HTTPException):
                return Outcome("retry", f"the webhook did not answer: {type(reason).__name__}")
            raise EmitError(
                f"the webhook can't be reached: {type(reason).__name__}",
                where=self.target,
                mend="check the network, the proxy (HTTPS_PROXY) and the certificates",
            ) from None

    def _answered(self, status: int, retry_after: str | None) -> Outcome:
        if status == 429 or status >= 500:
            return Outcome(
                "retry", f"the webhook answered {status}", wait_seconds=_wait(retry_after)
            )
        if status in _GONE or status < 400:
            raise EmitError(
                f"the webhook answered {status}"
                + (" and is elsewhere now" if status < 400 else ""),
                where=self.target,
                mend="make a new webhook there, and put its address in the settings",
            )
        return Outcome("refused", f"the webhook answered {status}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection would hand the message, and the address in it, to whoever it names."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _check(url: str) -> None:
    """Refuse what could send alerts over the net in clear text."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    fine = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host or ""))
    if not fine or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(
            "this is no address of a webhook",
            where="webhook:…",
            mend="webhook:https://…, or webhook:env:NAME with the address in that variable; "
            "http only for this machine",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(url: str) -> str:
    """An address without its secret: the host, and a hash that tells two of a host apart."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{urlsplit(url).hostname}#{digest}"


def _message(alert: Alert) -> dict[str, Any]:
    """The message: no mention, command or link in it, whatever the logs say."""
    head = _escaped(untrusted.one_line(headline(alert), limit=300)).replace("*", "\u2217")
    for limit in _SENTENCES:
        told = lines(alert, limit, shortened=limit < _SENTENCES[0])[2:]
        text = _escaped("\n".join(told).strip("\n"))
        if len(text) <= MAX_CHARACTERS:
            break
    else:
        text = text[:MAX_CHARACTERS].rpartition("\n")[0] + "\n…"
    # Slack makes links of bare addresses, but not in a block of code, and not when told so.
    quiet = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
    return {"text": f"*{head}*\n```\n{text}\n```", **quiet}


def _escaped(text: str) -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace("```", "'''")


def _wait(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 0), 0.0), 3_600.0)
    except ValueError:
        return 0.0  # a date, which Slack does not send
