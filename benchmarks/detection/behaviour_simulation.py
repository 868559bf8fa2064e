"""Simulated principals and what they do, with labelled attacks: events as a lake holds them.

Normal life has what pages people for nothing: new projects with APIs nobody used, travel, a VPN
that changes its address for all, on-call nights, bursts of refusals, bulk days, rotations. Generator
and labels are frozen; any seed. Attacks lie in the last days only, at most one in a principal's life.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from benchmarks.detection.behaviour_attacks import TEST_DAYS, Attack, attack
from benchmarks.detection.behaviour_people import (
    ACCOUNT,
    DAYS,
    FAMILIES,
    NAMES,
    REGIONS,
    START,
    WRITES,
    Person,
    live,
    people_of,
)
from ctanalytics.records.schema import EVENTS


@dataclass(frozen=True)
class World:
    """Events, and the attacks among them."""

    events: pa.Table
    attacks: list[Attack]
    first_test_day: dt.date


def simulate(seed: int, principals: int = 1_000, per_kind: int = 15) -> World:
    """Make 60 days of events with `per_kind` attacks of each kind in the last 14."""
    random = np.random.default_rng(seed)
    people = people_of(random, principals)
    for person in people:
        live(random, person)
    attacks = attack(random, people, per_kind)
    first = (START + dt.timedelta(days=DAYS - TEST_DAYS)).date()
    return World(_table(people), attacks, first)


def _table(people: list[Person]) -> pa.Table:
    """All calls as a table of events, sorted by time."""
    batches = [(person, batch) for person in people for batch in person.batches]
    sizes = np.array([len(batch.minutes) for _, batch in batches])
    minutes = np.concatenate([batch.minutes for _, batch in batches])
    order = np.argsort(minutes, kind="stable")
    apis = np.concatenate([batch.apis for _, batch in batches])[order]

    def each(values: list[str | None]) -> pa.Array:
        names = {value: place for place, value in enumerate(dict.fromkeys(values))}
        codes = np.repeat(np.array([names[value] for value in values], np.int32), sizes)[order]
        return pa.array(list(names), pa.string()).take(pa.array(codes))

    seconds = int(START.timestamp()) + minutes[order] * 60 + np.arange(len(order)) % 60
    time = pa.array(seconds * 1_000_000).cast(EVENTS.field("event_time").type)
    arns = each([person.arn for person, _ in batches])
    errors = each([batch.error for _, batch in batches])
    sources = pa.array([source for source, _ in NAMES]).take(pa.array(apis))
    is_data = np.isin(apis, FAMILIES["data"])
    columns = {
        "event_time": time,
        "event_date": time.cast(pa.timestamp("us")).cast(pa.date32()),
        "event_time_status": pa.repeat("ok", len(order)),
        "event_hour": pa.array((minutes[order] // 60 % 24).astype(np.int8)),
        "event_dow": pa.array((minutes[order] // 1_440 % 7 + 1).astype(np.int8)),
        "event_id": pa.array(np.arange(len(order))).cast(pa.string()),
        "account_id": pa.repeat(ACCOUNT, len(order)),
        "identity_account_id": pa.repeat(ACCOUNT, len(order)),
        "principal_arn": arns,
        "actor": arns,
        "principal_type": each(["role" if p.kind.is_role else "user" for p, _ in batches]),
        "event_source": sources,
        "event_name": pa.array([name for _, name in NAMES]).take(pa.array(apis)),
        "aws_region": each([REGIONS[batch.region] for _, batch in batches]),
        "source_ip_address": each([batch.network for _, batch in batches]),
        "source_ip_kind": pa.repeat("ipv4", len(order)),
        "user_agent": each([batch.agent for _, batch in batches]),
        "error_code": errors,
        "is_error": errors.is_valid(),
        "read_only": pa.array(~WRITES[apis]),
        "management_event": pa.array(~is_data),
        "event_category": pa.array(np.where(is_data, "Data", "Management")),
    }
    return pa.table(
        {
            field.name: columns[field.name].cast(field.type)
            if field.name in columns
            else pa.nulls(len(order), field.type)
            for field in EVENTS
        },
        schema=pa.schema([field.with_nullable(True) for field in EVENTS]),
    )
