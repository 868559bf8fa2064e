"""What a lake has seen of an account, to hold against what its trails say they record."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeenClass:
    """Events of one class in one region."""

    aws_region: str
    category: str
    """Management, Data, NetworkActivity."""
    resource_type: str
    """AWS::S3::Object and the like, of data events; else empty."""
    event_source: str
    """Of network activity events; else empty."""
    write: bool
    events: int
    first: dt.datetime
    last: dt.datetime


@dataclass(frozen=True, slots=True)
class Tampering:
    """A call that weakened a trail, as the lake has it."""

    event_time: dt.datetime
    event_id: str
    event_name: str
    principal: str
    target: str
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What a lake has of an account in a span."""

    since: dt.datetime
    until: dt.datetime
    """The newest event of the lake, of any account: younger ones are not in yet."""
    classes: tuple[SeenClass, ...]
    tampering: tuple[Tampering, ...]
