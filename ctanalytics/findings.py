"""What a detector reports: the columns of anomalies, shared by detectors, lake, emitters, report."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

import pyarrow as pa

TIMESTAMP: Final = pa.timestamp("us", "UTC")

SEVERITIES: Final = ("info", "low", "medium", "high", "critical")
"""Lowest first; the order is the rank."""

STATES: Final = ("open", "closed", "withdrawn")
"""open: still going on at the end of the window; withdrawn: late logs took the reason away."""

ANOMALIES: Final = pa.schema(
    [
        pa.field("anomaly_id", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("revision", pa.int32(), nullable=False),  # from 1; the newest is the valid one
        pa.field("superseded_by", pa.string()),  # anomaly_id that took this one over
        pa.field("detector", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # surge, stop, error_surge, behaviour, ...
        pa.field("severity", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),  # -log10 p, rounded to 1e-6
        pa.field("p_value", pa.float64()),
        pa.field("started_at", TIMESTAMP, nullable=False),
        pa.field("ended_at", TIMESTAMP),  # exclusive; null while it goes on
        pa.field("account_id", pa.string()),
        pa.field("aws_region", pa.string()),
        pa.field("event_source", pa.string()),
        pa.field("event_name", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("principal_arn", pa.string()),
        pa.field("series_key", pa.string(), nullable=False),  # what was watched; see series_key()
        pa.field("title", pa.string(), nullable=False),
        pa.field("explanation", pa.string(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),  # JSON, see below
        pa.field("insight", pa.string()),  # JSON: {"start": record, "end": record or null}
        pa.field("detected_at", TIMESTAMP, nullable=False),
    ]
)
"""One row per revision of an anomaly.

`evidence` is a JSON object: `event_ids` (at most 100), `events` (how many there are in all),
`sql` (a statement over the views that lists all of them), and, where a detector has a rate to
draw, `rate` = {"unit": "calls per minute", "minutes": 5, "points": [[ISO time, observed,
expected], ...]} with at most 600 points.
"""


def series_key(*parts: str | None) -> str:
    """Join what identifies a series or principal; None becomes an empty part."""
    return "|".join("" if part is None else part for part in parts)


def anomaly_id(detector: str, kind: str, key: str, started_at: dt.datetime) -> str:
    """Return the id that stays with an anomaly: 32 hex digits that hash no float.

    Args:
        started_at: the start that was first published; only its minute counts.
    """
    minute = started_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%MZ")
    text = "\x1f".join((detector, kind, key, minute))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def severity_rank(severity: str) -> int:
    """Return the place of a severity in SEVERITIES, 0 for info."""
    return SEVERITIES.index(severity)


OUTCOMES: Final = ("pending", "sent", "failed", "suppressed", "dead_letter")
"""pending: waits for a later run, or for the end of one that was killed; failed: refused, to be
offered again; dead_letter: refused so often that only `emit --retry` offers it again."""

OUTBOX: Final = pa.schema(
    [
        pa.field("anomaly_id", pa.string(), nullable=False),  # or an incident's id
        pa.field("state", pa.string(), nullable=False),  # of the anomaly when it was handled
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("target", pa.string(), nullable=False),  # sns:ARN; of a webhook without its secret
        pa.field("outcome", pa.string(), nullable=False),  # one of OUTCOMES
        pa.field("reason", pa.string()),  # why it is not sent, or not alone
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("message_id", pa.string()),  # the provider's, where it gives one
        pa.field("at", TIMESTAMP, nullable=False),
    ]
)
"""What became of each alert at each target; append-only, see the view `deliveries`."""

VERDICTS: Final = ("benign", "confirmed", "allowed", "none")
"""What a mark says: a person called it benign or an incident; the allow-list of the settings covers
it; none takes back what was said before."""

MARKS: Final = pa.schema(
    [
        pa.field("anomaly_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),  # one of VERDICTS
        pa.field("note", pa.string()),  # of the person, or the reason of the allow-list's entry
        pa.field("marked_by", pa.string(), nullable=False),  # login name, or detect.allow
        pa.field("marked_at", TIMESTAMP, nullable=False),
    ]
)
"""What was said of anomalies; append-only, the newest row of an anomaly counts."""

BEHAVIOUR_DRIFT: Final = pa.schema(
    [
        pa.field("judged_date", pa.date32(), nullable=False),  # the day that was judged
        pa.field("measure", pa.string(), nullable=False),  # psi, rank_correlation
        pa.field("feature", pa.string(), nullable=False),  # or the opinion: top_surprise, forest
        pa.field("value", pa.float64(), nullable=False),  # rounded to 1e-6
        pa.field("principals", pa.int64(), nullable=False),  # judged that day
        pa.field("measured_at", TIMESTAMP, nullable=False),
    ]
)
"""How far the days moved from what the model of behaviour learned; the newest row of a key counts."""
