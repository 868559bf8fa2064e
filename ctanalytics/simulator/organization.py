"""The organization: accounts, regions, people and resources, all drawn from one seed."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import math
from dataclasses import dataclass
from typing import Final

import msgspec

# Ids that AWS's documentation uses; more accounts get ids that no one can take for real ones.
_ACCOUNT_IDS: Final = (
    "111122223333",
    "444455556666",
    "123456789012",
    "777788889999",
    "222222222222",
    "333333333333",
    "444444444444",
    "666666666666",
    "888888888888",
    "999999999999",
)
SECURITY_ACCOUNT: Final = "555555555555"
"""Where the scanner's role comes from; its own logs are not simulated."""
BACKUP_ACCOUNT: Final = "210987654321"
"""Takes copies of snapshots; belongs to the organization, its own logs are not simulated."""
OUTSIDE_ACCOUNT: Final = "098765432109"
"""Belongs to nobody in the organization."""
VENDOR_ACCOUNT: Final = "012345678901"
"""A monitoring company that reads metrics through a role."""

_PEOPLE: Final = (
    "dora.lind",
    "tariq.aziz",
    "mei.chen",
    "jonas.weber",
    "amara.okafor",
    "sofia.rossi",
    "liam.byrne",
    "yuki.tanaka",
    "ines.moreau",
    "pavel.novak",
    "grace.kim",
    "omar.haddad",
)
_APPS: Final = (
    "orders",
    "payments",
    "catalog",
    "search",
    "media",
    "ledger",
    "reports",
    "identity",
    "shipping",
    "pricing",
)
_KINDS: Final = ("production", "development", "data", "staging", "platform", "sandbox")

# kind of resource -> (name with {app}, {hex8}, {hex16}, {uuid} and {n}, how many at breadth 1)
_RESOURCES: Final = {
    "instance": ("i-0{hex16}", 12),
    "volume": ("vol-0{hex16}", 16),
    "snapshot": ("snap-0{hex16}", 20),
    "ami": ("ami-0{hex16}", 4),
    "vpc": ("vpc-0{hex16}", 2),
    "subnet": ("subnet-0{hex16}", 6),
    "security_group": ("sg-0{hex16}", 8),
    "eni": ("eni-0{hex16}", 20),
    "instance_type": ("m7g.{size}", 4),
    "cidr": ("10.20.{n}.0/24", 8),
    "asg": ("{app}-asg", 4),
    "bucket": ("example-{account}-{app}-{hex8}", 8),
    "object_key": ("{app}/dt=2025-{n2}/part-{n5}-{hex8}.snappy.parquet", 60),
    "kms_key": ("arn:{partition}:kms:{region}:{account_id}:key/{uuid}", 5),
    "secret": ("{app}/database-{hex6}", 8),
    "parameter": ("/{app}/config/endpoint-{n}", 12),
    "table": ("{app}-items", 6),
    "function": ("{app}-handler-{n}", 10),
    "log_group": ("/example/{app}/audit", 4),
    "alarm": ("{app}-cpu-high", 8),
    "queue": ("{app}-jobs", 6),
    "topic": ("{app}-notices", 6),
    "cluster": ("main-{n}", 2),
    "service": ("{app}-service", 6),
    "repository": ("{app}", 6),
    "target_group": ("{app}/{hex16}", 6),
    "stack": ("{app}-stack", 8),
    "stack_set": ("baseline-{app}", 3),
    "config_rule": ("{app}-encrypted", 8),
    "detector": ("{hex16}{hex16}", 1),
    "hosted_zone": ("Z0{HEX}", 3),
    "distribution": ("E0{HEX}", 3),
    "certificate": ("{uuid}", 4),
    "rule": ("{app}-schedule", 6),
    "state_machine": ("{app}-flow", 4),
    "glue_table": ("{app}_facts", 8),
    "glue_job": ("{app}-daily", 5),
    "db": ("{app}-db", 4),
    "cache": ("{app}-cache", 3),
    "stream": ("{app}-events", 4),
    "project": ("{app}-build", 5),
    "user": ("{app}-service-user", 6),
    "role": ("{app}-role", 10),
    "app": ("{app}", 10),
}
_SIZES: Final = ("large", "xlarge", "2xlarge", "4xlarge")
_REGIONLESS: Final = frozenset({"bucket", "object_key", "user", "role", "hosted_zone"})
_FIXED: Final = frozenset({"detector", "vpc", "cluster", "instance_type"})


@dataclass(frozen=True, slots=True)
class Partition:
    """What differs between AWS partitions."""

    name: str
    dns: str
    console: str
    global_region: str
    """Where IAM, STS's global endpoint, sign-ins and other global services are recorded."""
    utc_offset_hours: int
    """Where this organization's people work."""
    open: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the organization."""

    account_id: str
    name: str
    kind: str
    weight: float
    """Its share of the organization's activity, against production."""


@dataclass(frozen=True, eq=False)
class Organization:
    """Everything that stays the same over a simulation; build it with `found`."""

    seed: int
    partition: Partition
    accounts: tuple[Account, ...]
    regions: tuple[str, ...]
    """Open regions, the home region first; the global region is among them."""
    closed_region: str | None
    """A region that a service control policy denies; some calls try it all the same."""
    people: tuple[str, ...]
    breadth: float
    """How much of each resource there is; 1 in a small organization."""

    @property
    def home_region(self) -> str:
        """Where most of the work is done, and where the trails were made."""
        return self.regions[0]

    @property
    def production(self) -> Account:
        """The account with most of the work."""
        return self.accounts[0]

    @property
    def development(self) -> Account:
        """The account where people try things out; production when there is no other."""
        return self.accounts[min(1, len(self.accounts) - 1)]

    @property
    def management(self) -> Account:
        """Where Identity Center and Organizations are run."""
        return self.accounts[-1] if len(self.accounts) > 2 else self.accounts[0]

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """Every account and region that has log files."""
        closed = (self.closed_region,) if self.closed_region else ()
        return tuple(
            (account.account_id, region)
            for account in self.accounts
            for region in self.regions + closed
        )

    def arn(self, service: str, region: str, account_id: str, resource: str) -> str:
        """Build an ARN of this partition."""
        return f"arn:{self.partition.name}:{service}:{region}:{account_id}:{resource}"

    def trail_arn(self, account_id: str) -> str:
        """The ARN of an account's trail."""
        return self.arn("cloudtrail", self.home_region, account_id, f"trail/{TRAIL}")

    def resources(self, account_id: str, region: str, kind: str) -> tuple[str, ...] | None:
        """The names of an account's resources of a kind; None when there is no such kind."""
        return _resources(self, account_id, "" if kind in _REGIONLESS else region, kind)


TRAIL: Final = "management-events"
BUCKET: Final = "example-organization-cloudtrail"


@functools.cache
def partitions() -> dict[str, Partition]:
    """All partitions that can be simulated, by name."""
    data = msgspec.json.decode(
        importlib.resources.files(__package__).joinpath("data/partitions.json").read_bytes()
    )
    return {
        name: msgspec.convert({"name": name, **fields}, Partition)
        for name, fields in data.items()
        if name != "about"
    }


def found(
    *,
    seed: int,
    accounts: int,
    partition: str,
    regions: tuple[str, ...] = (),
    events_per_day: int,
) -> Organization:
    """Make an organization.

    Args:
        regions: the open regions, home first; none: the partition's own choice. The region where
            global services are recorded joins them.
        events_per_day: of the whole organization; a busier one has more resources.
    """
    facts = partitions()[partition]
    chosen = tuple(dict.fromkeys((*(regions or facts.open), facts.global_region)))
    closed = next((region for region in facts.regions if region not in chosen), None)
    return Organization(
        seed=seed,
        partition=facts,
        accounts=tuple(_account(seed, place) for place in range(accounts)),
        regions=chosen,
        closed_region=closed,
        people=_PEOPLE,
        breadth=min(30.0, max(1.0, math.sqrt(events_per_day / 2_000))),
    )


def _account(seed: int, place: int) -> Account:
    account_id = _ACCOUNT_IDS[place] if place < len(_ACCOUNT_IDS) else f"0000{place:08d}"
    if place < 2:
        return Account(account_id, ("prod", "dev")[place], _KINDS[place], (1.0, 0.3)[place])
    kind = _KINDS[place % len(_KINDS)]
    return Account(account_id, f"{kind}-{place}", kind, 0.1 + 0.5 * fraction(seed, "size", place))


def token(*parts: object) -> bytes:
    """32 bytes that follow from the parts alone."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()


def fraction(*parts: object) -> float:
    """A number in [0, 1) that follows from the parts alone."""
    return int.from_bytes(token(*parts)[:6]) / 2**48


_KEY_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def letters(length: int, *parts: object) -> str:
    """Letters as in the ids of IAM, which follow from the parts alone."""
    return "".join(_KEY_LETTERS[byte & 31] for byte in token(*parts)[:length])


def key_id(prefix: str, *parts: object) -> str:
    """An access key id (AKIA, ASIA) that ends in EXAMPLE, so that no scanner takes it for real."""
    return f"{prefix}{letters(9, 'key', prefix, *parts)}EXAMPLE"


def principal_id(prefix: str, *parts: object) -> str:
    """A principal id (AIDA, AROA)."""
    return f"{prefix}{letters(10, 'principal', prefix, *parts)}EXAMPLE"


@functools.lru_cache(maxsize=65_536)
def _resources(
    organization: Organization, account_id: str, region: str, kind: str
) -> tuple[str, ...] | None:
    if kind not in _RESOURCES:
        return None
    pattern, count = _RESOURCES[kind]
    many = count if kind in _FIXED else round(count * organization.breadth)
    names = (_name(organization, account_id, region, kind, pattern, n) for n in range(many))
    return tuple(dict.fromkeys(names))


def _name(
    organization: Organization, account_id: str, region: str, kind: str, pattern: str, n: int
) -> str:
    digits = token(organization.seed, account_id, region, kind, n).hex()
    name = next(a.name for a in organization.accounts if a.account_id == account_id)
    app = _APPS[n % len(_APPS)]
    return pattern.format(
        app=app if n < len(_APPS) else f"{app}-{n // len(_APPS) + 1}",
        account=name,
        account_id=account_id,
        partition=organization.partition.name,
        region=region,
        n=n,
        n2=f"{n % 12 + 1:02d}-{n % 28 + 1:02d}",
        n5=f"{n:05d}",
        size=_SIZES[n % len(_SIZES)],
        hex6=digits[:6],
        hex8=digits[:8],
        hex16=digits[:16],
        HEX=digits[:12].upper(),
        uuid=f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}",
    )
