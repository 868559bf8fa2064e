"""Tactics of MITRE ATT&CK in a case: what rules say of its events, and what its calls are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ctanalytics.app.investigate_asked import Asked
from ctanalytics.app.investigate_tables import table, within
from ctanalytics.detectors.sigma import severity
from ctanalytics.reporting.investigation import Part, Query
from ctanalytics.reporting.lanes import TACTICS, Lane, Mark
from ctanalytics.sigma.pack import shown_path
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import run, statement
from ctanalytics.sigma.span import Span

_MOST_QUERIES: Final = 20


def tactics(asked: Asked) -> Part:
    """Run the rules over the case, and lay their matches and its sensitive calls into lanes."""
    rules = asked.rules
    found = run(asked.case, rules, Span(asked.since, asked.until))
    asked.case.register("investigation_hits", found.hits)
    hits = asked.case.run("investigate/rule_hits").to_pylist()
    asked.case.unregister("investigation_hits")
    marks = [mark for hit in hits if rules[hit["rule"]].alerts for mark in _of_rule(rules, hit)]
    sensitive = asked.rows_of("tactics", "sensitive", "Sensitive calls by tactic")
    marks += [_of_class(row) for row in sensitive]
    order = {name: place for place, name in enumerate(TACTICS)}
    lanes = tuple(
        Lane(name, tuple(mark for mark in marks if mark.row["tactic"] == name))
        for name in sorted(
            {str(mark.row["tactic"]) for mark in marks}, key=lambda n: order.get(n, 99)
        )
    )
    rows = [dict(mark.row) for lane in lanes for mark in lane.marks]
    ran = sum(rule.status == "ok" for rule in rules)
    broken = f" {len(found.faults):,} of them could not run." if found.faults else ""
    return Part(
        "tactics",
        "ATT&CK lanes",
        (
            f"{ran:,} rules were run over the case's events; sensitive calls stand in the lane of the tactic that they may serve.{broken}",
            "A bar goes from the first to the last call; a rule's has the colour of its severity, that of sensitive calls alone is pale.",
        ),
        (table("lanes", "Rule matches and sensitive calls, by tactic", rows),),
        lanes=lanes,
        queries=tuple(_queries(asked, rules, hits)),
    )


def _of_rule(rules: Sequence[Rule], hit: dict[str, Any]) -> list[Mark]:
    """A mark in each lane that the rule's tags name."""
    rule = rules[hit["rule"]]
    tags = [tag.removeprefix("attack.") for tag in rule.tags if tag.startswith("attack.")]
    lanes = [tag for tag in tags if tag in TACTICS] or ["other"]
    techniques = ", ".join(tag.upper() for tag in tags if tag[:1] == "t" and tag[1:2].isdigit())
    level = severity(rule, events=hit["matches"], failed=hit["failed"])
    return [
        Mark(
            hit["first_seen"],
            hit["last_seen"],
            level,
            {
                "tactic": lane,
                "techniques": techniques or None,
                "title": rule.title,
                "level": level,
                "calls": hit["matches"],
                "failed": hit["failed"],
                "account_id": hit["account_id"],
                "account_name": hit["account_name"],
                "first_seen": hit["first_seen"],
                "last_seen": hit["last_seen"],
                "event_id": hit["event_id"],
                "rule": shown_path(rule.path),
            },
        )
        for lane in lanes
    ]


def _of_class(row: dict[str, Any]) -> Mark:
    return Mark(
        row["first_seen"],
        row["last_seen"],
        "quiet",
        {
            "tactic": row["tactic"],
            "techniques": None,
            "title": f"{row['event_name']} touches {row['sensitivity'].replace('_', ' ')}",
            "level": None,
            "calls": row["calls"],
            "failed": 0,
            "account_id": row["account_id"],
            "account_name": row["account_name"],
            "first_seen": row["first_seen"],
            "last_seen": row["last_seen"],
            "event_id": row["event_id"],
            "rule": None,
        },
    )


def _queries(asked: Asked, rules: Sequence[Rule], hits: Sequence[dict[str, Any]]) -> list[Query]:
    """The SQL of the rules that matched; of correlations that of the rules that they count."""
    found: dict[int, Query] = {}
    for hit in hits:
        made = rules[hit["rule"]].correlation
        for place in made.rules if made else (hit["rule"],):
            rule = rules[place]
            if rule.condition is not None and place not in found and len(found) < _MOST_QUERIES:
                sql = statement(
                    rule,
                    Span(asked.since, asked.until),
                    "event_time, account_id, event_id, event_name, error_code",
                )
                found[place] = Query(
                    f"Rule “{rule.title}”",
                    within(sql.replace("\nfrom events\n", "\nfrom subject_events\n"), asked.scope),
                )
    return list(found.values())
