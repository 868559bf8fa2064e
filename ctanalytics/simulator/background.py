"""Normal life of the organization, with all the noise that real accounts have."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec

from ctanalytics.simulator import cast
from ctanalytics.simulator.activity import Activity
from ctanalytics.simulator.actors import Actor, event_source, service, service_linked, through
from ctanalytics.simulator.organization import Account, Organization, fraction
from ctanalytics.simulator.rhythms import Rhythm, customers, every, nightly, office, steady

_MACHINES: Final = 40
"""Cap of what grows with the number of machines, not with the number of customers."""


@dataclass(frozen=True)
class Habit:
    """What one caller does again and again in an account; the fields are those of `Activity`."""

    who: Callable[[Organization, Account], Actor]
    mix: str
    """Name in data/mixes.json."""
    rhythm: Rhythm
    per_day: float
    burst: float = 1
    span: int = 60
    script: bool = False
    floor: float = 0
    cap: float = float("inf")

    def at(
        self, organization: Organization, account: Account, region: str, share: float = 1
    ) -> Activity:
        """Place it in an account and region, where it makes a share of the calls a day."""
        return Activity(
            self.who(organization, account),
            region,
            _mixes()[self.mix],
            self.rhythm,
            per_day=self.per_day * share,
            burst=self.burst,
            span=self.span,
            script=self.script,
            floor=self.floor,
            cap=self.cap,
        )


@functools.cache
def _mixes() -> dict[str, dict[str, float]]:
    data = importlib.resources.files(__package__).joinpath("data/mixes.json").read_bytes()
    mixes: dict[str, dict[str, float]] = msgspec.json.decode(data)["mixes"]
    return mixes


def _service(_: Organization, account: Account, name: str) -> Actor:
    return service(account, name)


def _event_source(_: Organization, account: Account, name: str) -> Actor:
    return event_source(account, name)


def _nightly_athena(organization: Organization, account: Account) -> Actor:
    return through(cast.nightly_role(organization, account), "athena.amazonaws.com")


_BACKUP: Final = partial(service_linked, name="Backup", by="backup.amazonaws.com")
_BACKUP_EVENTS: Final = partial(_event_source, name="backup.amazonaws.com")
_CLOUDTRAIL: Final = partial(_service, name="cloudtrail.amazonaws.com")
_WEB: Final = partial(cast.instance_role, name="web-server")
_ORDERS_HANDLER: Final = partial(cast.function_role, function="orders-handler")
_ORDERS_API: Final = partial(cast.task_role, name="orders-api")
_SCHEDULES: Final = partial(_service, name="events.amazonaws.com")
_AUTOSCALING: Final = partial(service_linked, name="AutoScaling", by="autoscaling.amazonaws.com")
_ECS: Final = partial(service_linked, name="ECS", by="ecs.amazonaws.com")
_TABLE_SCALING: Final = partial(
    service_linked,
    name="ApplicationAutoScaling_DynamoDBTable",
    by="dynamodb.application-autoscaling.amazonaws.com",
)
_CONFIG: Final = partial(service_linked, name="Config", by="config.amazonaws.com")
_ANALYZER: Final = partial(
    service_linked, name="AccessAnalyzer", by="access-analyzer.amazonaws.com"
)
_ADVISOR: Final = partial(service_linked, name="TrustedAdvisor", by="trustedadvisor.amazonaws.com")
_AWS_INTERNAL: Final = partial(_event_source, name="AWS Internal")

_PRODUCTION: Final = (
    Habit(cast.agent_role, "agent", every(10), 144, floor=1, cap=200),
    Habit(cast.reports_user, "reports", every(60), 34, burst=1.4, span=40, floor=0.75, cap=4),
    Habit(cast.inventory_role, "inventory", every(30), 48, floor=1, cap=3),
    Habit(cast.vendor, "vendor", every(40), 36, floor=1, cap=_MACHINES),
    Habit(
        cast.nightly_role, "nightly", nightly(1.4), 22, burst=22, span=2_400, floor=1, cap=_MACHINES
    ),
    Habit(_BACKUP, "backup", nightly(3.1), 8, burst=8, span=1_200, floor=1, cap=_MACHINES),
    Habit(_BACKUP_EVENTS, "backup-events", nightly(3.8), 2, floor=1, cap=_MACHINES),
    Habit(_CLOUDTRAIL, "trail", steady, 8, cap=500),
    Habit(_nightly_athena, "nightly-athena", nightly(1.6), 8, burst=8, span=1_200, floor=1),
)
_WORKLOAD: Final = (
    Habit(_WEB, "web-server", customers, 64, burst=2, span=20),
    Habit(_ORDERS_HANDLER, "orders-handler", customers, 48, burst=2, span=8),
    Habit(_ORDERS_API, "orders-api", customers, 28, burst=1.5, span=10),
    Habit(_SCHEDULES, "schedules", steady, 14),
    Habit(_AUTOSCALING, "autoscaling", customers, 40, burst=4, span=90, cap=_MACHINES),
    Habit(_ECS, "ecs", customers, 14, burst=2, cap=_MACHINES),
    Habit(_TABLE_SCALING, "dynamodb-scaling", steady, 10, cap=_MACHINES),
)
_CONFIG_DAILY: Final = Habit(
    _CONFIG, "config", every(1_440), 4, burst=4, span=30, floor=0.3, cap=10
)
_CONFIG_CLOSELY: Final = replace(_CONFIG_DAILY, rhythm=every(360), per_day=16)
_DEPLOYS: Final = Habit(cast.build_role, "ci-deploy", office, 18, span=420, script=True, cap=10)
_ACCESS_ANALYZER: Final = Habit(
    _ANALYZER, "access-analyzer", nightly(5.2), 5, burst=5, span=120, floor=0.3, cap=6
)
_TRUSTED_ADVISOR: Final = Habit(
    _ADVISOR, "trusted-advisor", nightly(6.3), 4, burst=4, span=60, floor=0.3, cap=4
)
_CLOSED_REGION: Final = Habit(
    cast.scanner, "closed-region", nightly(4.9), 4, burst=4, span=60, floor=0.3, cap=6
)
"""A service control policy denies the region; scanners try it every day all the same."""
_NOTEBOOK: Final = Habit(
    cast.notebook_role, "notebook", office, 16, burst=3, span=600, floor=0.8, cap=_MACHINES
)
_COST_REPORT: Final = Habit(
    cast.cost_role, "cost-report", nightly(7.5), 5, burst=5, span=60, floor=0.5, cap=5
)
_KEY_ROTATION: Final = Habit(_AWS_INTERNAL, "key-rotation", steady, 0.2, cap=5)


def activities(organization: Organization) -> tuple[Activity, ...]:
    """All that is done again and again, in every account and region."""
    return tuple(_all(organization))


def _all(organization: Organization) -> Iterator[Activity]:
    home, everywhere = organization.home_region, organization.partition.global_region
    for account in organization.accounts:
        if account is organization.production:
            yield from (habit.at(organization, account, home) for habit in _PRODUCTION)
        yield from (habit.at(organization, account, home, account.weight) for habit in _WORKLOAD)
        yield _DEPLOYS.at(organization, account, home, max(account.weight, 0.3))
        yield from _people(organization, account)
        yield from _guards(organization, account)
    if organization.development is not organization.production:
        yield _NOTEBOOK.at(organization, organization.development, home)
    yield _COST_REPORT.at(organization, organization.management, everywhere)
    yield _KEY_ROTATION.at(organization, organization.management, home)


def _people(organization: Organization, account: Account) -> Iterator[Activity]:
    share = min(1.0, account.weight * 2)
    team = organization.people[:6] if account.weight > 0.25 else organization.people[:2]
    for place, name in enumerate(team):
        cli = place % 2 == 1
        somebody = partial(
            cast.person, name=name, permission_set=cast.PERMISSION_SETS[place % 3], cli=cli
        )
        mix = "person-working" if cli else "person-looking"
        habit = Habit(somebody, mix, office, 4.5, burst=4, span=900, cap=12)
        yield habit.at(organization, account, organization.home_region, share)


def _guards(organization: Organization, account: Account) -> Iterator[Activity]:
    """What looks after an account: AWS's own services and the security team's scanner."""
    for region in organization.regions:
        own = region == organization.home_region
        at_night = nightly(4.6 + fraction(account.account_id, region))
        calls = 14 if own else 7
        scans = Habit(
            cast.scanner, "scanner", at_night, calls, burst=calls, span=300, floor=0.3, cap=6
        )
        yield scans.at(organization, account, region)
        closely = own and account is organization.production
        recording = _CONFIG_CLOSELY if closely else _CONFIG_DAILY
        yield recording.at(organization, account, region)
    yield _ACCESS_ANALYZER.at(organization, account, organization.home_region)
    yield _TRUSTED_ADVISOR.at(organization, account, organization.partition.global_region)
    if organization.closed_region:
        yield _CLOSED_REGION.at(organization, account, organization.closed_region)
