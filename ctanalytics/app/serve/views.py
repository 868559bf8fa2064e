"""The pages: each reads what it shows through the verbs that commands use."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Final

from ctanalytics.app.explain import explain
from ctanalytics.app.incidents.listing import list_incidents, show_incident
from ctanalytics.app.investigate import investigate
from ctanalytics.app.lake.info import info
from ctanalytics.app.serve import facts, search
from ctanalytics.app.serve.fields import Fields
from ctanalytics.app.serve.http import OWN_STYLE, SEALED, Response, page
from ctanalytics.app.serve.lakes import TimedLake
from ctanalytics.app.serve.site import Site
from ctanalytics.app.serve.stored import days_or_none, read
from ctanalytics.app.show import show
from ctanalytics.errors import UsageError
from ctanalytics.findings import SEVERITIES, severity_rank
from ctanalytics.reporting import anomalies as told
from ctanalytics.reporting import investigation, render, sections
from ctanalytics.reporting.document import Figure
from ctanalytics.reporting.series import described

_ROWS: Final = 500
_AT_A_GLANCE: Final = 10
_NEIGHBOURS: Final = 100


def home(site: Site, lake: TimedLake, _: Fields) -> Response:
    """The newest days, with their reports, incidents and anomalies."""
    found = info(lake)
    until = (found.last_event or lake.created_at) + facts.DAY
    since = until - (site.settings.serve.days + 1) * facts.DAY
    rows = facts.anomalies_of(lake, site.voice, since=since, until=until)
    groups = facts.incidents_of(lake, site.voice, since=since, until=until)
    stored, trouble = days_or_none(site.settings)
    days = facts.days_of(lake, last=site.settings.serve.days, rows=rows, told=groups, stored=stored)
    return site.page(
        "home",
        found=found,
        facts=facts.lake_facts(found),
        events=sum(table.rows for table in found.tables if table.name == "events"),
        days=days,
        incidents=groups[:_AT_A_GLANCE],
        anomalies=rows[:_AT_A_GLANCE],
        totals=(len(groups), len(rows)),
        trouble=trouble,
    )


def report(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """A day's report, made from the lake now; its identifiers lead on."""
    since = dt.datetime.combine(fields.day("day"), dt.time(), dt.UTC)
    with lake.engine() as engine:
        document = sections.document(
            engine,
            since=since,
            until=since + facts.DAY,
            now=site.now(),
            top=site.settings.report.top,
            lake=facts.lake_facts(info(lake)),
            voice=site.voice,
        )
    return page(render.html(document, more=site.filters), policy=OWN_STYLE)


def stored(site: Site, _: TimedLake, fields: Fields) -> Response:
    """The report of a day as a night stored it."""
    text = read(site.settings, fields.day("day"))
    return page(text.decode("utf-8", "replace"), policy=SEALED)


def events(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """Search: a page of events, and how they lie in time."""
    wanted = search.search_of(fields, newest=facts.newest_event(lake))
    found = search.find(lake, wanted)
    shown = wanted.skip + len(found.rows)
    return site.page(
        "events",
        wanted=wanted,
        found=found,
        figure=_figure(site, wanted, found),
        older=shown if shown < found.events and shown <= search.MOST_SKIPPED else None,
        newer=max(wanted.skip - search.ROWS, 0) if wanted.skip else None,
    )


def _figure(site: Site, wanted: search.Search, found: search.Found) -> Figure | None:
    steps = search.filled(found.steps, wanted)
    if len(steps) < 2:
        return None
    points = tuple((start, float(calls), float(failed)) for start, (calls, failed) in steps.items())
    unit = site.voice.messages["serve.events.per_step"]
    failed = site.voice.messages["figure.failed"]
    return Figure(
        name="found",
        kind="activity",
        title=site.voice.say("serve.events.over_time"),
        description=described(points, unit, second=failed, voice=site.voice),
        unit=unit,
        step_seconds=wanted.step_seconds,
        points=points,
    )


def event(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """One event whole, its file and verdict, its session, and what happened around it."""
    found = show(
        fields.needed("id"), lake, account_id=fields.text("account"), settings=site.settings
    )
    texts = {name: _pretty(found.record[name]) for name in _TEXTS if name in found.record}
    told_apart = {*_TEXTS, *(name for names in _GROUPS.values() for name in names)}
    return site.page(
        "event",
        found=found,
        texts=texts,
        groups=_GROUPS,
        rest=[pair for pair in found.record.items() if pair[0] not in told_apart],
        neighbours=found.neighbours[:_NEIGHBOURS],
    )


def _pretty(text: str) -> str:
    """JSON with line breaks; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


_TEXTS: Final = (
    "request_parameters",
    "response_elements",
    "additional_event_data",
    "service_event_details",
    "resources",
    "user_identity",
    "event_context",
    "edge_device_details",
    "addendum",
    "unknown_fields",
)
_GROUPS: Final = {
    "who": (
        "principal_arn",
        "principal_type",
        "actor",
        "identity_type",
        "session_name",
        "source_identity",
        "access_key_id",
        "credential_id",
        "mfa_authenticated",
        "invoked_by",
        "source_ip_address",
        "user_agent",
    ),
    "what": (
        "event_source",
        "event_name",
        "aws_region",
        "account_id",
        "read_only",
        "error_code",
        "error_message",
        "resource_arns",
        "request_id",
        "event_id",
        "shared_event_id",
        "event_category",
        "event_type",
        "vpc_endpoint_id",
        "tls_version",
    ),
    "record": (
        "file_verdict",
        "file_verdict_detail",
        "source_object",
        "file_digest_key",
        "file_validated_at",
        "file_ingested_at",
        "record_sha256",
        "masked_paths",
        "event_time_status",
        "addendum_reason",
    ),
}


def anomalies(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """Anomalies of a span, the gravest first."""
    since, until = _span(site, lake, fields)
    rows = facts.anomalies_of(lake, site.voice, since=since, until=until)
    by_severity = [(row["severity"], row) for row in rows]
    return _list(site, "anomalies", by_severity, fields, since, until)


def anomaly(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """Why an anomaly is one: as reports tell it, the facts behind it, its events, its past."""
    found = explain(fields.needed("id"), lake, settings=site.settings)
    row, span = found.anomaly, facts.covered(info(lake))
    with lake.engine() as engine:
        rows = [
            one
            for one in told.ranked(
                engine, since=row["started_at"], until=row["started_at"] + facts.DAY
            )
            if one["anomaly_id"] == row["anomaly_id"]
        ]
        entries = told.entries(
            engine, rows, told.retold(rows, site.voice), site.voice, covered=span
        )
    around = list_incidents(
        lake, since=row["started_at"] - facts.DAY, until=row["started_at"] + facts.DAY
    )
    part_of = [one for one in around if row["anomaly_id"] in one["anomaly_ids"]]
    return site.page("anomaly", found=found, entries=entries, part_of=part_of)


def incidents(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """Incidents of a span, the gravest first."""
    since, until = _span(site, lake, fields)
    found = facts.incidents_of(lake, site.voice, since=since, until=until)
    by_severity = [(one.severity, one) for one in found]
    return _list(site, "incidents", by_severity, fields, since, until)


def _list(
    site: Site,
    name: str,
    by_severity: Sequence[tuple[str, object]],
    fields: Fields,
    since: dt.datetime,
    until: dt.datetime,
) -> Response:
    """The page of rows that are as severe as is asked for."""
    least = fields.one_of("severity", SEVERITIES) or SEVERITIES[0]
    rows = [one for severity, one in by_severity if severity_rank(severity) >= severity_rank(least)]
    return site.page(
        name, rows=rows[:_ROWS], total=len(rows), since=since, until=until, least=least
    )


def incident(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """One incident as reports tell it, with its anomalies and their charts."""
    found = show_incident(fields.needed("id"), lake, settings=site.settings)
    with lake.engine() as engine:
        items, entries = facts.told(
            engine, [found.incident], site.voice, span=facts.covered(info(lake))
        )
    return site.page("incident", found=found, item=items[0], entries=entries)


def principal(site: Site, lake: TimedLake, fields: Fields) -> Response:
    """The investigation of a principal or an access key, up to the newest event."""
    name = fields.needed("name")
    made = investigate(
        lake,
        kind="principal" if name.startswith("arn:") else "key",
        value=name,
        since=fields.moment("since"),
        until=fields.moment("until"),
        settings=site.settings,
        now=site.now(),
    )
    return page(investigation.html(made.found), policy=OWN_STYLE)


def _span(site: Site, lake: TimedLake, fields: Fields) -> tuple[dt.datetime, dt.datetime]:
    until = fields.moment("until")
    if until is None:
        until = facts.newest_event(lake).replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    since = fields.moment("since") or until - site.settings.serve.days * facts.DAY
    if not since < until:
        raise UsageError("the span is empty", where="since", mend="it must lie before until")
    return since, until
