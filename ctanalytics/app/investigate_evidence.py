"""What an investigation may miss: detectors' word, hours without logs, files that nobody vouches for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ctanalytics.app.investigate_asked import Asked
from ctanalytics.app.investigate_tables import counted, table
from ctanalytics.reporting.investigation import Part

_MOST_KEYS: Final = 500


def anomalies(asked: Asked) -> Part:
    """What detectors published of the subject's principals, and the incidents made of that."""
    title = "Anomalies and incidents"
    if not asked.lake.tables["anomalies"].files:
        return Part(
            "anomalies",
            title,
            absent="No detector has published anything yet: run `ctanalytics detect`.",
        )
    principals = list(asked.principals)
    rows = asked.rows_of(
        "anomalies", "anomalies", "Anomalies of these principals", principals=principals
    )
    told = asked.rows_of(
        "anomalies",
        "incidents",
        "Incidents that name them",
        principals=principals,
        keys=[asked.subject.value, *asked.derived[:_MOST_KEYS]],
    )
    sentence = (
        f"{counted(len(rows), 'anomaly', 'anomalies')} of its principals, "
        f"{counted(len(told), 'incident')} that name them or these credentials."
    )
    return Part(
        "anomalies",
        title,
        (sentence,),
        (
            table("incidents", "Incidents, the oldest first", told),
            table("anomalies", "Anomalies, the oldest first", rows),
        ),
    )


def config(asked: Asked) -> Part:
    """What AWS Config recorded of the changes that the case's calls made."""
    title = "Changes that AWS Config recorded"
    if not asked.lake.tables["config_items"].files:
        return Part(
            "config",
            title,
            absent="The lake has no items of AWS Config: ingest ConfigHistory or ConfigSnapshot files.",
        )
    rows = asked.rows_of("config", "config", "Recorded changes that these calls explain")
    sentence = (
        f"{counted(len(rows), 'recorded change')} that calls of this case explain best; "
        "`ctanalytics timeline RESOURCE` shows what differs."
        if rows
        else "No recorded change is explained by calls of this case."
    )
    return Part(
        "config", title, (sentence,), (table("config", "Recorded changes, the oldest first", rows),)
    )


def gaps(asked: Asked) -> Part:
    """Where the logs of the subject's accounts and regions are not whole, or not vouched for."""
    files = asked.rows_of("gaps", "files", "Verdicts on the files of these events")
    places = {"accounts": list(asked.accounts), "regions": list(asked.regions)}
    with asked.span() as engine:
        hours = asked.rows_of("gaps", "gaps", "Hours without whole logs", engine, **places)
        changes = asked.rows_of("gaps", "tampering", "Changes to what logs", engine, **places)
    return Part(
        "gaps",
        "Gaps in the evidence",
        tuple(_gap_sentences(asked, hours, files, changes)),
        (
            table("gaps", "Hours in a row in its accounts and regions", hours),
            table("files", "Log files of these events, by verdict", files),
            table("tampering", "Changes to what logs in these accounts, by anybody", changes),
        ),
    )


def _gap_sentences(
    asked: Asked,
    hours: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
    changes: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    lost = sum(row["hours"] for row in hours if row["state"] in ("stopped", "incomplete"))
    unknown = sum(row["hours"] for row in hours if row["state"] == "unknown")
    if lost:
        yield f"{counted(lost, 'hour')} of its accounts and regions are not whole: something may have happened that these logs do not show."
    silent = sum(row["hours"] for row in hours if row["state"] == "silent")
    if silent:
        yield f"{counted(silent, 'hour')} are silent where there always were calls."
    if unknown:
        yield f"{counted(unknown, 'hour')} have no event and no digest: nobody can tell whether something was lost."
    if not hours:
        yield "No hour of its accounts and regions is known to be missing."
    unproved = sum(row["events"] for row in files if row["verdict"] != "valid")
    if not asked.lake.tables["file_verdicts"].files:
        yield "No log file was validated yet: `ctanalytics validate SOURCE --lake LAKE` does."
    elif unproved:
        yield f"{counted(unproved, 'event')} come from files that no digest vouches for."
    else:
        yield "Digests vouch for all files that these events came from."
    if changes:
        yield f"What logs or watches was touched {counted(len(changes), 'time')} in these accounts."
