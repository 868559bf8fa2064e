"""Sessions of roles: when they begin, which temporary key they have, what opening them leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctanalytics.simulator.actors import Actor, Session, session_key, session_name
from ctanalytics.simulator.calls import Calls, generator
from ctanalytics.simulator.columns import Times, iso
from ctanalytics.simulator.organization import Organization
from ctanalytics.simulator.rhythms import DAY_SECONDS, Day


@dataclass(frozen=True)
class Opened:
    """The sessions that share one key prefix on one day; a slot of some hours has one session."""

    session: Session
    day: Day
    created: dict[int, int]
    """Slot -> the second in which its session began."""

    def slots(self, times: Times) -> list[int]:
        """The slot of each time; sessions never outlast their day."""
        return _slots(self.session, self.day, times)

    def columns(self, organization: Organization, times: Times) -> dict[str, Sequence[str]]:
        """access_key, session and created of calls at these times."""
        slots = self.slots(times)
        known = {slot: self._values(organization, slot) for slot in set(slots)}
        return {
            "access_key": [known[slot][0] for slot in slots],
            "session": [known[slot][1] for slot in slots],
            "created": [known[slot][2] for slot in slots],
        }

    def number(self, slot: int) -> int:
        """A number that no other slot of this session has, on any day."""
        return self.day.place * 100 + slot

    def _values(self, organization: Organization, slot: int) -> tuple[str, str, str]:
        number = self.number(slot)
        return (
            session_key(organization.seed, self.session, number),
            session_name(organization.seed, self.session, number),
            iso(np.array([self.created[slot]]))[0],
        )


def open_sessions(
    organization: Organization, day: Day, calls: list[Calls]
) -> tuple[dict[str, Opened], list[Calls]]:
    """Find the sessions in which a day's calls are made.

    Returns:
        The sessions by key, and the calls that opened them, which are not among `calls`.
    """
    using: dict[str, list[Calls]] = defaultdict(list)
    for each in calls:
        if each.actor.session:
            using[each.actor.session.key].append(each)
    opened, opening = {}, []
    for key, group in using.items():
        session = group[0].actor.session
        if session is None:
            continue
        times = np.concatenate([each.times for each in group])
        rng = generator(organization.seed, "session", key, day.place)
        created: dict[int, int] = {}
        for slot, second in zip(_slots(session, day, times), times.tolist(), strict=True):
            created[slot] = min(second, created.get(slot, second))
        created = {
            slot: second - int(rng.integers(1, 20)) for slot, second in sorted(created.items())
        }
        opened[key] = Opened(session, day, created)
        owner = next((each.actor for each in group if each.actor.console), group[0].actor)
        opening += _opening(organization, opened[key], owner, rng)
    return opened, opening


def _slots(session: Session, day: Day, times: Times) -> list[int]:
    slots: list[int] = np.clip(
        (times - day.begin) // (session.hours * 3_600), 0, DAY_SECONDS // 3_600 // session.hours - 1
    ).tolist()
    return slots


def _opening(
    organization: Organization, opened: Opened, owner: Actor, rng: np.random.Generator
) -> list[Calls]:
    session = opened.session
    calls = []
    for slot, second in opened.created.items():
        number = opened.number(slot)
        name = session_name(organization.seed, session, number)
        given = {
            "new_key": session_key(organization.seed, session, number),
            "new_session": name,
            "role_arn": session.role_arn,
            "role_id": session.role_id,
            "role_name": session.role_arn.rsplit("/", 1)[-1],
            "assumed_arn": session.assumed_arn.replace("${session}", name),
            "target_account": owner.account_id,
        }
        for place, step in enumerate(session.opening):
            calls.append(
                Calls(
                    actor=step.by or owner,
                    region=step.region,
                    api=step.api,
                    times=np.array([second + place if step.by else second + place + 1]),
                    rng=rng,
                    given=given,
                )
            )
    return calls
