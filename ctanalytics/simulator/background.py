"""Normal life of the organization, with all the noise that real accounts have."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterator

import msgspec

from ctanalytics.simulator import cast
from ctanalytics.simulator.activity import Activity
from ctanalytics.simulator.actors import event_source, service, service_linked, through
from ctanalytics.simulator.organization import Account, Organization, fraction
from ctanalytics.simulator.rhythms import customers, every, nightly, office, steady

_HEAVY = 40
"""Cap of what grows with the number of machines, not with the number of customers."""


@functools.cache
def _mixes() -> dict[str, dict[str, float]]:
    data = importlib.resources.files(__package__).joinpath("data/mixes.json").read_bytes()
    mixes: dict[str, dict[str, float]] = msgspec.json.decode(data)["mixes"]
    return mixes


def mix(name: str) -> dict[str, float]:
    """What an activity calls: API, or API!fault, and its share."""
    return _mixes()[name]


def activities(organization: Organization) -> tuple[Activity, ...]:
    """All that is done again and again, in every account and region."""
    return tuple(_all(organization))


def _all(organization: Organization) -> Iterator[Activity]:
    for account in organization.accounts:
        if account is organization.production:
            yield from _production(organization, account)
        yield from _workload(organization, account)
        yield from _people(organization, account)
        yield from _guards(organization, account)
    if organization.development is not organization.production:
        yield from _sandbox(organization, organization.development)
    yield from _management(organization, organization.management)


def _production(organization: Organization, account: Account) -> Iterator[Activity]:
    home = organization.home_region
    yield Activity(
        cast.agent_role(organization, account),
        home,
        mix("agent"),
        every(10),
        per_day=144,
        floor=1,
        cap=200,
    )
    yield Activity(
        cast.reports_user(organization, account),
        home,
        mix("reports"),
        every(60),
        per_day=34,
        burst=1.4,
        span=40,
        floor=0.75,
        cap=4,
    )
    yield Activity(
        cast.inventory_role(organization, account),
        home,
        mix("inventory"),
        every(30),
        per_day=48,
        floor=1,
        cap=3,
    )
    yield Activity(
        cast.vendor(organization, account),
        home,
        mix("vendor"),
        every(40),
        per_day=36,
        floor=1,
        cap=_HEAVY,
    )
    yield Activity(
        cast.nightly_role(organization, account),
        home,
        mix("nightly"),
        nightly(1.4),
        per_day=22,
        burst=22,
        span=2_400,
        floor=1,
        cap=_HEAVY,
    )
    yield Activity(
        service_linked(organization, account, "Backup", "backup.amazonaws.com"),
        home,
        mix("backup"),
        nightly(3.1),
        per_day=8,
        burst=8,
        span=1_200,
        floor=1,
        cap=_HEAVY,
    )
    yield Activity(
        event_source(account, "backup.amazonaws.com"),
        home,
        mix("backup-events"),
        nightly(3.8),
        per_day=2,
        floor=1,
        cap=_HEAVY,
    )
    yield Activity(
        service(account, "cloudtrail.amazonaws.com"),
        home,
        mix("trail"),
        steady,
        per_day=8,
        cap=500,
    )
    yield Activity(
        through(cast.nightly_role(organization, account), "athena.amazonaws.com"),
        home,
        mix("nightly-athena"),
        nightly(1.6),
        per_day=8,
        burst=8,
        span=1_200,
        floor=1,
    )


def _workload(organization: Organization, account: Account) -> Iterator[Activity]:
    home = organization.home_region
    share = account.weight
    web = cast.instance_role(organization, account, "web-server")
    yield Activity(
        web,
        home,
        mix("web-server"),
        customers,
        per_day=64 * share,
        burst=2,
        span=20,
    )
    yield Activity(
        cast.function_role(organization, account, "orders-handler"),
        home,
        mix("orders-handler"),
        customers,
        per_day=48 * share,
        burst=2,
        span=8,
    )
    yield Activity(
        cast.task_role(organization, account, "orders-api"),
        home,
        mix("orders-api"),
        customers,
        per_day=28 * share,
        burst=1.5,
        span=10,
    )
    yield Activity(
        service(account, "events.amazonaws.com"),
        home,
        mix("schedules"),
        steady,
        per_day=14 * share,
    )
    yield Activity(
        service_linked(organization, account, "AutoScaling", "autoscaling.amazonaws.com"),
        home,
        mix("autoscaling"),
        customers,
        per_day=40 * share,
        burst=4,
        span=90,
        cap=_HEAVY,
    )
    yield Activity(
        service_linked(organization, account, "ECS", "ecs.amazonaws.com"),
        home,
        mix("ecs"),
        customers,
        per_day=14 * share,
        burst=2,
        cap=_HEAVY,
    )
    yield Activity(
        service_linked(
            organization,
            account,
            "ApplicationAutoScaling_DynamoDBTable",
            "dynamodb.application-autoscaling.amazonaws.com",
        ),
        home,
        mix("dynamodb-scaling"),
        steady,
        per_day=10 * share,
        cap=_HEAVY,
    )
    yield Activity(
        cast.build_role(organization, account),
        home,
        mix("ci-deploy"),
        office,
        per_day=18 * max(share, 0.3),
        span=420,
        script=True,
        cap=10,
    )


def _people(organization: Organization, account: Account) -> Iterator[Activity]:
    home = organization.home_region
    share = min(1.0, account.weight * 2)
    team = organization.people[:6] if account.weight > 0.25 else organization.people[:2]
    for place, name in enumerate(team):
        cli = place % 2 == 1
        yield Activity(
            cast.person(organization, account, name, cast.PERMISSION_SETS[place % 3], cli=cli),
            home,
            mix("person-working" if cli else "person-looking"),
            office,
            per_day=4.5 * share,
            burst=4,
            span=900,
            cap=12,
        )


def _guards(organization: Organization, account: Account) -> Iterator[Activity]:
    """What looks after an account: AWS's own services and the security team's scanner."""
    home = organization.home_region
    heart = account is organization.production
    for region in organization.regions:
        own = region == home
        yield Activity(
            cast.scanner(organization, account),
            region,
            mix("scanner"),
            nightly(4.6 + fraction(account.account_id, region)),
            per_day=14 if own else 7,
            burst=14 if own else 7,
            span=300,
            floor=0.3,
            cap=6,
        )
        yield Activity(
            service_linked(organization, account, "Config", "config.amazonaws.com"),
            region,
            mix("config"),
            every(360 if heart and own else 1_440),
            per_day=16 if heart and own else 4,
            burst=4,
            span=30,
            floor=0.3,
            cap=10,
        )
    yield Activity(
        service_linked(organization, account, "AccessAnalyzer", "access-analyzer.amazonaws.com"),
        home,
        mix("access-analyzer"),
        nightly(5.2),
        per_day=5,
        burst=5,
        span=120,
        floor=0.3,
        cap=6,
    )
    yield Activity(
        service_linked(organization, account, "TrustedAdvisor", "trustedadvisor.amazonaws.com"),
        organization.partition.global_region,
        mix("trusted-advisor"),
        nightly(6.3),
        per_day=4,
        burst=4,
        span=60,
        floor=0.3,
        cap=4,
    )
    if organization.closed_region:
        yield from _closed(organization, account, organization.closed_region)


def _closed(organization: Organization, account: Account, region: str) -> Iterator[Activity]:
    """A service control policy denies the region; scanners try it every day all the same."""
    yield Activity(
        cast.scanner(organization, account),
        region,
        mix("closed-region"),
        nightly(4.9),
        per_day=4,
        burst=4,
        span=60,
        floor=0.3,
        cap=6,
    )


def _sandbox(organization: Organization, account: Account) -> Iterator[Activity]:
    home = organization.home_region
    yield Activity(
        cast.notebook_role(organization, account),
        home,
        mix("notebook"),
        office,
        per_day=16,
        burst=3,
        span=600,
        floor=0.8,
        cap=_HEAVY,
    )


def _management(organization: Organization, account: Account) -> Iterator[Activity]:
    yield Activity(
        cast.cost_role(organization, account),
        organization.partition.global_region,
        mix("cost-report"),
        nightly(7.5),
        per_day=5,
        burst=5,
        span=60,
        floor=0.5,
        cap=5,
    )
    yield Activity(
        event_source(account, "AWS Internal"),
        organization.home_region,
        mix("key-rotation"),
        steady,
        per_day=0.2,
        cap=5,
    )
