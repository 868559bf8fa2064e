"""Who may ask: the right method, the right Host and Origin, and the secret in the path.

A page of any web site can make a browser send requests to localhost, and a name of its own can be
made to point there (DNS rebinding): the Host header tells such requests, as it holds that name. Other
users of the machine can reach the port as well: they don't know the secret. It stands in the path and
in no cookie, because browsers send a cookie of 127.0.0.1 to every port, another user's too.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics.app.serve.http import Request, Response, plain

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_SECRET_BYTES: Final = 32
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.I)


def new_secret() -> str:
    """Return 256 random bits for a path."""
    return secrets.token_urlsafe(_SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class Guard:
    """What a request must bear."""

    secret: str
    names: frozenset[str]
    """Hosts by which this server may be called, in lower case, without port and brackets."""

    def path_of(self, request: Request) -> str | Response:
        """Return the path after the secret, or what is answered to those who may not ask."""
        if request.method not in ("GET", "HEAD"):
            refusal = plain("only GET is answered", 405)
            return Response(405, refusal.body, refusal.content_type, more={"Allow": "GET, HEAD"})
        host = request.headers.get("host", "")
        if _name_of(host) not in self.names:
            return plain("this server has another name", 421)
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return plain("pages of other sites may not ask", 403)
        secret, _, path = request.target.partition("?")[0].removeprefix("/").partition("/")
        if not secrets.compare_digest(secret.encode(), self.secret.encode()):
            return plain("not found; the address that `ctanalytics serve` printed is needed", 404)
        return f"/{path}"


def guard(secret: str, host: str, names: Sequence[str] = ()) -> Guard:
    """Return the guard of a server that listens on a host.

    Args:
        names: further ones by which readers may call it.
    """
    called = (*names, host) if not is_loopback(host) else (*names, host, *LOOPBACK_NAMES)
    return Guard(secret, frozenset(name.lower().strip("[]") for name in called))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """The name in a Host header, without the port; empty where it can't be read.

    A tunnel may change the port, so it is not compared: rebinding changes the name.
    """
    found = _HOST.fullmatch(host)
    return found[1].lower().strip("[]") if found else ""
