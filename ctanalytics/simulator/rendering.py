"""Calls into records: JSON text, one a call, with when and where each is delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ctanalytics.simulator.actors import Actor, pick
from ctanalytics.simulator.calls import Calls
from ctanalytics.simulator.catalogue import catalogue
from ctanalytics.simulator.columns import Batch, Times, choose, column
from ctanalytics.simulator.organization import token
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.sessions import Opened
from ctanalytics.simulator.templates import Template, build


@dataclass(frozen=True)
class Records:
    """Records of one account and region, columns of equal length."""

    cell: tuple[str, str]
    texts: list[str]
    event_ids: Sequence[str]
    times: Times
    episode: int | None


class Renderer:
    """Renders calls; remembers the templates that it has made."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._organization = plan.organization
        self._templates: dict[tuple[str, str, str, str], Template] = {}

    def render(self, calls: Calls, times: Times, opened: Mapping[str, Opened]) -> Records:
        """Make the records of some of the calls.

        Args:
            times: a slice of `calls.times`.
            opened: the sessions of the day.
        """
        template = self._template(calls)
        given: dict[str, Sequence[str]] = {
            name: [value] * len(times) for name, value in calls.given.items()
        }
        given = {**self._caller(calls, times, opened), **given}
        batch = Batch(self._organization, calls.actor, calls.region, times, calls.rng, given)
        columns: dict[str, Sequence[str]] = {}
        for hole in template.holes:
            if hole not in columns:
                columns[hole] = column(batch, hole)
        rows = zip(*(columns[hole] for hole in template.holes), strict=True)
        text = template.text
        return Records(
            (calls.actor.account_id, calls.region),
            [text % row for row in rows],
            columns["event_id"],
            times,
            calls.episode,
        )

    def _template(self, calls: Calls) -> Template:
        key = (calls.actor.name, calls.region, calls.api, calls.fault)
        if key not in self._templates:
            api = catalogue()[calls.api]
            self._templates[key] = build(
                self._organization, calls.actor, api, calls.region, calls.fault
            )
        return self._templates[key]

    def _caller(
        self, calls: Calls, times: Times, opened: Mapping[str, Opened]
    ) -> dict[str, Sequence[str]]:
        """Key, session, address and user agent of each call."""
        actor = calls.actor
        count = len(times)
        columns: dict[str, Sequence[str]] = {}
        if actor.session:
            sessions = opened[actor.session.key]
            columns |= sessions.columns(self._organization, times)
            seeds = [
                f"{actor.session.key}{sessions.number(slot)}" for slot in sessions.slots(times)
            ]
            if actor.session.names[0].startswith("i-"):
                columns["instance"] = columns["session"]  # an instance speaks of itself
        else:
            seeds = [actor.name] * count
            columns["access_key"] = self._keys(actor, times)
        columns["ua"] = _chosen(actor.agents, seeds)
        columns["ip"] = self._addresses(calls, seeds, times)
        return columns

    def _keys(self, actor: Actor, times: Times) -> Sequence[str]:
        if not actor.access_keys:
            return [""] * len(times)
        old, new = actor.access_keys
        return [old if second < self._plan.key_rotation else new for second in times.tolist()]

    def _addresses(self, calls: Calls, seeds: Sequence[str], times: Times) -> Sequence[str]:
        actor = calls.actor
        if not actor.session and len(actor.networks) > 1 and not actor.networks_later:
            return choose(calls.rng, actor.networks, len(times))
        before = _chosen(actor.networks, seeds)
        if not actor.networks_later:
            return before
        after = _chosen(actor.networks_later, seeds)
        change = self._plan.network_change
        return [
            old if second < change else new
            for second, old, new in zip(times.tolist(), before, after, strict=True)
        ]


def _chosen(choices: Sequence[str], seeds: Sequence[str]) -> list[str]:
    """Choose by seed: the same for all calls of a session."""
    if len(choices) == 1:
        return [choices[0]] * len(seeds)
    known = {seed: pick(choices, token(seed, len(choices))) for seed in set(seeds)}
    return [known[seed] for seed in seeds]
