"""What is to be simulated: the arguments, and the points in time that follow from them."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Final

import msgspec

from ctanalytics.simulator import organization as org
from ctanalytics.simulator.rhythms import FIRST_HOUR, Day

ALL_DIGESTS: Final = -1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a simulation; the same plan gives the same log files, byte for byte."""

    seed: int
    start: dt.date
    days: int
    accounts: int
    events_per_day: int
    """Of the whole organization, about."""
    incidents: tuple[str, ...]
    """Kinds of `attacks.ATTACKS`."""
    partition: str = "aws"
    regions: tuple[str, ...] = ()
    """Open regions, the home region first; none: the partition's own choice."""
    organization_id: str | None = None
    """Stands in the keys of an organization trail's files."""
    digest_days: int = ALL_DIGESTS
    """Days at the end that have digest files; 0: none."""
    file_minutes: int = 5
    """A log file is written at most so often for an account and region; CloudTrail's is 5."""
    config_history: bool = False
    """Whether AWS Config's files are written too."""

    @property
    def begin(self) -> int:
        """First second, since 1970."""
        return int(dt.datetime.combine(self.start, dt.time(), dt.UTC).timestamp())

    @property
    def end(self) -> int:
        """The second after the last."""
        return self.begin + self.days * 86_400

    @property
    def organization(self) -> org.Organization:
        """Who is simulated."""
        return _organization(self)

    def day(self, place: int) -> Day:
        """A day of the simulation; day 0 began at 04:00 on the date before the start."""
        date = self.start + dt.timedelta(days=place - 1)
        return Day(place, date, self.organization.partition.utc_offset_hours)

    @property
    def day_count(self) -> int:
        """How many days there are; the first and the last are cut by the start and the end."""
        return self.days + 1

    def day_of(self, second: int) -> int:
        """The place of the day in which a second lies."""
        return (second - self.begin - FIRST_HOUR * 3_600) // 86_400 + 1

    @property
    def network_change(self) -> int:
        """When the company's people begin to come from another network."""
        return self.begin + int(self.days * 0.45) * 86_400 + 6 * 3_600

    @property
    def key_rotation(self) -> int:
        """When users get new keys."""
        return self.begin + int(self.days * 0.55) * 86_400 + 9 * 3_600


@functools.lru_cache(maxsize=8)
def _organization(plan: Plan) -> org.Organization:
    return org.found(
        seed=plan.seed,
        accounts=plan.accounts,
        partition=plan.partition,
        regions=plan.regions,
        events_per_day=plan.events_per_day,
    )
