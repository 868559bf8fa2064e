"""Links: an identifier, known by its shape, leads to what the lake has of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup, escape

_EVENT: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}", re.I)
_ANOMALY: Final = re.compile("[0-9a-f]{32}")
_PRINCIPAL: Final = re.compile("arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:.+|A[KS]IA[A-Z0-9]{12,124}")
_ACCOUNT: Final = re.compile("[0-9]{12}")

Link = Callable[..., Markup]


def linker(base: str) -> Link:
    """Return what makes the address of a page below a base, such as link("event", id="...")."""

    def link(route: str = "", /, **fields: object) -> Markup:
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        # Markup, as the address is ASCII already and must not be cut.
        return escape(f"{base}/{route}{'?' if query else ''}{query}")

    return link


def target(link: Link, value: str) -> Markup | None:
    """Return where an identifier leads to; none for a text that is no identifier we know."""
    if _EVENT.fullmatch(value):
        return link("event", id=value)
    if _ANOMALY.fullmatch(value):
        return link("anomaly", id=value)
    if _PRINCIPAL.fullmatch(value):
        return link("principal", name=value)
    if _ACCOUNT.fullmatch(value):
        return link("events", account=value)
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return None
    return link("events", ip=value)


def linked(code: Callable[[object], Markup], link: Link) -> Callable[[object], Markup]:
    """Return a filter that shows an identifier as `code` does, as a link where it leads anywhere."""
    return partial(_linked, code, link)


def _linked(code: Callable[[object], Markup], link: Link, value: object) -> Markup:
    place = target(link, value) if isinstance(value, str) else None
    shown = code(value)
    return shown if place is None else Markup('<a href="{}">{}</a>').format(place, shown)
