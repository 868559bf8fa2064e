"""A request and a response as plain data, and the headers that every response bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_BYTES: Final = 24_000_000
"""The largest body that is sent; a report of a normal day is below 3 MB."""

STRICT: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The policy of our own pages: one style sheet from here, forms to here, nothing else."""

OWN_STYLE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The policy of pages that bring their style along, and in themselves a policy with its hash."""

SEALED: Final = f"{OWN_STYLE}; sandbox"
"""The policy of a page out of a file, which others may have changed: it is shown without scripts,
forms or an origin, whatever stands in it."""

_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    method: str
    target: str
    """The request line's: path, question mark, query."""
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    policy: str = STRICT
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """All headers, those that guard the reader among them."""
        return {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.body)),
            "Content-Security-Policy": self.policy,
            **_ALWAYS,
            **self.more,
        }


def page(text: str, status: int = 200, *, policy: str = STRICT) -> Response:
    """Return a page of HTML; one that is too large is told instead."""
    body = text.encode("utf-8", "backslashreplace")
    if len(body) > MAX_BYTES:
        return plain(f"the page has {len(body):,} bytes, more than is sent", 500)
    return Response(status, body, policy=policy)


def plain(text: str, status: int) -> Response:
    """Return a line of text."""
    return Response(status, f"{text}\n".encode(), "text/plain; charset=utf-8")
