"""Simulated principals and their normal life, which pages people for nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors.behaviour_features import api_families

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)  # a Monday

DAYS = 60

ACCOUNT = "111122223333"

REGIONS = ("eu-west-1", "us-east-1", "eu-central-1", "ap-southeast-2")

Ints = npt.NDArray[np.int64]

VPN_CHANGE = DAYS - 9


@dataclass(frozen=True)
class Class:
    """How principals of one kind live. Shares and chances are of days unless named otherwise."""

    name: str
    share: float
    is_role: bool
    calls: float
    spread: float
    apis: tuple[int, int]
    hours: tuple[int, int]
    works: float
    weekends: float
    new_api: float
    project: float
    travel: float
    off_hours: float
    denied_burst: float
    bulk: float
    agents: tuple[str, ...]


CLASSES = (
    Class("developer", 0.34, False, 45, 0.8, (18, 40), (8, 18), 0.85, 0.06, 0.20, 0.03, 0.05, 0.08, 0.02, 0.03, ("browser", "aws-cli", "boto3")),
    Class("analyst", 0.18, False, 20, 0.8, (8, 18), (8, 17), 0.8, 0.03, 0.10, 0.015, 0.04, 0.04, 0.01, 0.02, ("browser",)),
    Class("pipeline", 0.12, True, 90, 1.0, (15, 35), (6, 22), 0.9, 0.35, 0.10, 0.03, 0.02, 0.10, 0.02, 0.06, ("terraform", "aws-cli")),
    Class("workload", 0.30, True, 60, 0.4, (3, 9), (0, 24), 1.0, 1.0, 0.006, 0.002, 0.005, 0.0, 0.005, 0.02, ("aws-sdk-java", "boto3")),
    Class("batch", 0.06, True, 70, 0.6, (4, 10), (1, 4), 0.95, 0.9, 0.02, 0.004, 0.005, 0.04, 0.006, 0.04, ("boto3",)),
)  # fmt: skip

AGENTS = {
    "browser": "Mozilla/5.0 (X11; Linux x86_64)",
    "aws-cli": "aws-cli/2.31.3 md/awscrt",
    "boto3": "Boto3/1.34.11 md/Botocore",
    "terraform": "APN/1.0 HashiCorp/1.0 Terraform/1.9",
    "aws-sdk-java": "aws-sdk-java/2.25.1 Linux",
    "python-requests": "python-requests/2.32",
    "curl": "curl/8.5",
    "pacu": "Boto3/1.9.1 Python/3.11 Linux/6.5.0-kali",
}


@dataclass
class Batch:
    """Calls of one principal: minutes from START, indices of APIs, networks and agents."""

    minutes: Ints
    apis: Ints
    network: str
    agent: str
    error: str | None = None
    region: int = 0


@dataclass
class Person:
    """A principal and its habits."""

    arn: str
    kind: Class
    apis: Ints
    weights: npt.NDArray[np.float64]
    networks: list[str]
    agents: list[str]
    hours: tuple[int, int]
    region: int
    batches: list[Batch] = field(default_factory=list)


_READ, _WRITE = ("List", "Describe", "Get"), ("Create", "Update", "Put")


def _vocabulary() -> tuple[list[tuple[str, str]], npt.NDArray[np.bool_], dict[str, Ints]]:
    """APIs as (source, name), whether each writes, and families of them."""
    names: list[tuple[str, str]] = []
    for service in range(40):
        source = f"service{service:02d}.amazonaws.com"
        names += [(source, f"{_READ[number % 3]}Thing{number}") for number in range(8)]
        names += [(source, f"{_WRITE[number % 3]}Thing{number}") for number in range(5)]
        names.append((source, "DeleteThing"))
    general = len(names)
    listed = {
        "data": ["s3.amazonaws.com:GetObject", "s3.amazonaws.com:PutObject"],
        "iam": [
            f"iam.amazonaws.com:{name}"
            for name in ("CreateAccessKey", "CreateUser", "AttachUserPolicy", "PutUserPolicy",
                         "CreateLoginProfile", "AttachRolePolicy", "UpdateAssumeRolePolicy")
        ],
        "iam_read": [
            f"iam.amazonaws.com:{name}"
            for name in ("ListUsers", "ListRoles", "GetUser", "ListAttachedUserPolicies")
        ],
        "look": ["sts.amazonaws.com:GetCallerIdentity", "s3.amazonaws.com:ListBuckets",
                 "ec2.amazonaws.com:DescribeInstances", "secretsmanager.amazonaws.com:ListSecrets"],
        **api_families(),
    }  # fmt: skip
    families: dict[str, Ints] = {"general": np.arange(general)}
    for family, apis in listed.items():
        places = []
        for api in apis:
            source, _, name = api.partition(":")
            places.append(len(names))
            names.append((source, name))
        families[family] = np.array(places)
    reads = ("List", "Describe", "Get", "BatchGet")
    writes = np.array([not name.startswith(reads) for _, name in names])
    return names, writes, families


NAMES, WRITES, FAMILIES = _vocabulary()

READS = np.flatnonzero(~WRITES[: len(FAMILIES["general"])])


def people_of(random: np.random.Generator, count: int) -> list[Person]:
    people = []
    for kind in CLASSES:
        # Colleagues share most of what they call, and the office's address.
        team = random.permutation(FAMILIES["general"])[:140]
        for number in range(round(count * kind.share)):
            what = "role" if kind.is_role else "user"
            size = int(random.integers(*kind.apis))
            own = random.choice(team, size, replace=False)
            extra = {"developer": "data", "analyst": "data", "pipeline": "data"}.get(kind.name)
            if extra and random.random() < 0.6:
                own = np.append(own, random.choice(FAMILIES[extra], 1))
            if kind.name == "workload":
                own = np.append(own, random.choice(FAMILIES["data"], 1))
                if random.random() < 0.4:
                    own = np.append(own, random.choice(FAMILIES["secret"], 1))
            if kind.name == "pipeline" and random.random() < 0.3:
                own = np.append(own, random.choice(FAMILIES["iam"], 2, replace=False))
            if kind.name == "developer" and random.random() < 0.06:
                own = np.append(own, FAMILIES["iam_read"])
            own = np.append(own, FAMILIES["look"][:1]) if random.random() < 0.4 else own
            weights = 1 / (1 + random.permutation(len(own))) ** 0.9
            shift = int(random.integers(-1, 2)) if kind.hours != (0, 24) else 0
            office = ["203.0.113.9"] if not kind.is_role else []
            home = (
                f"100.{random.integers(64, 128)}.{random.integers(256)}.{random.integers(1, 255)}"
            )
            people.append(
                Person(
                    f"arn:aws:iam::{ACCOUNT}:{what}/{kind.name}{number:04d}",
                    kind,
                    own,
                    weights / weights.sum(),
                    [*office, home],
                    list(kind.agents[: 1 + int(random.integers(len(kind.agents)))]),
                    (max(kind.hours[0] + shift, 0), min(kind.hours[1] + shift, 24)),
                    int(random.choice(2, p=[0.8, 0.2])),
                )
            )
    return people


def live(random: np.random.Generator, person: Person) -> None:
    """Add the normal days of a principal."""
    kind = person.kind
    level = kind.calls * np.exp(random.normal(0, 1.0))
    for day in range(DAYS):
        if random.random() >= (kind.weekends if day % 7 >= 5 else kind.works):
            continue
        count = int(random.poisson(level * np.exp(random.normal(0, kind.spread)))) + 1
        if random.random() < kind.bulk:
            count *= int(random.integers(4, 15))
        count = min(count, 2_000)
        low, high = person.hours
        if random.random() < kind.off_hours:
            low, high = (0, 24)
        at = day * 1_440 + np.sort(random.integers(low * 60, high * 60, count))
        apis = random.choice(person.apis, count, p=person.weights)
        network = _network(random, person, day)
        agent = person.agents[int(random.random() < 0.3) % len(person.agents)]
        person.batches.append(Batch(at, apis, network, AGENTS[agent], region=person.region))
        _surprises(random, person, day, network, AGENTS[agent])


def _network(random: np.random.Generator, person: Person, day: int) -> str:
    if random.random() < person.kind.travel:
        trip = f"192.{random.integers(1, 100)}.{random.integers(256)}.{random.integers(1, 255)}"
        person.networks.append(trip)
        return trip
    office = person.networks[0]
    if not person.kind.is_role and day >= VPN_CHANGE:
        office = "203.0.114.9"
    return office if random.random() < 0.8 else person.networks[-1]


def _surprises(
    random: np.random.Generator, person: Person, day: int, network: str, agent: str
) -> None:
    """Add what is new on a day, and goes on or not."""
    kind, region = person.kind, person.region
    low, high = person.hours

    def at(count: int, minutes: int = 240) -> Ints:
        begin = day * 1_440 + int(random.integers(low * 60, max(high * 60 - 30, low * 60 + 1)))
        latest = (day + 1) * 1_440 - 1
        spots = np.sort(begin + random.integers(0, minutes, count))
        return np.minimum(spots, latest).astype(np.int64)

    def add(apis: Ints, error: str | None = None, minutes: int = 240) -> None:
        person.batches.append(Batch(at(len(apis), minutes), apis, network, agent, error, region))

    if random.random() < kind.new_api:
        add(random.choice(FAMILIES["general"], int(random.integers(1, 5))))
    if random.random() < kind.project:
        service = int(random.integers(40)) * 14
        fresh = service + random.permutation(14)[: int(random.integers(4, 12))]
        add(np.repeat(fresh, 3))
        person.apis = np.append(person.apis, fresh[:4])
        weights = np.append(person.weights, np.full(4, person.weights.mean()))
        person.weights = weights / weights.sum()
    if random.random() < kind.denied_burst:
        add(random.choice(person.apis, int(random.integers(5, 40))), "AccessDenied", 20)
    if random.random() < 0.25:
        add(random.choice(person.apis, int(random.integers(1, 3))), "ThrottlingException")
    if random.random() < 0.04:
        add(random.choice(person.apis, int(random.integers(1, 3))), "AccessDenied")
    if random.random() < 0.004 and not kind.is_role:
        add(random.choice(FAMILIES["secret"], int(random.integers(1, 4))))
    if random.random() < 0.002 and kind.name != "workload":
        add(random.choice(FAMILIES["sharing"], 1))
    if random.random() < 0.0005 and kind.name in ("developer", "pipeline"):
        add(random.choice(FAMILIES["guard"], 1))
    if random.random() < 0.001 and kind.name == "developer":
        add(random.choice(FAMILIES["iam"], int(random.integers(1, 3))))
