"""Columns of incidents: what anomalies that belong together are told as, and what they share."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ctanalytics.records.schema import TEXT, TIMESTAMP

TEXTS: Final = pa.list_(TEXT)

INCIDENT_STATES: Final = ("open", "escalated", "closed")
"""escalated: open, and graver than when it was first published."""

INCIDENTS: Final = pa.schema(
    [
        pa.field("incident_id", TEXT, nullable=False),  # 32 hex digits, of its first anomaly
        pa.field("state", TEXT, nullable=False),  # one of INCIDENT_STATES
        pa.field("revision", pa.int32(), nullable=False),  # from 1; the newest is the valid one
        pa.field("superseded_by", TEXT),  # incident_id that took this one over
        pa.field("closed_because", TEXT),  # see below; null unless closed
        pa.field("severity", TEXT, nullable=False),
        pa.field("first_severity", TEXT, nullable=False),  # of revision 1
        pa.field("escalated_at", TIMESTAMP),  # when the severity last rose; null when it never did
        pa.field("score", pa.float64(), nullable=False),  # -log10 of the combined p, see docs
        pa.field("p_value", pa.float64()),  # combined; null when only rules speak
        pa.field("started_at", TIMESTAMP, nullable=False),
        pa.field("ended_at", TIMESTAMP),  # exclusive; null while an anomaly of it goes on
        pa.field("opened_at", TIMESTAMP, nullable=False),  # when revision 1 was made
        pa.field("detected_at", TIMESTAMP, nullable=False),  # when this revision was made
        pa.field("title", TEXT, nullable=False),  # one line
        pa.field("story", TEXT, nullable=False),  # sentences, one a line
        pa.field("next_steps", TEXTS),  # what to look at next, the first first
        pa.field("anomaly_ids", TEXTS, nullable=False),  # in the order of their starts
        pa.field("detectors", TEXTS),
        pa.field("kinds", TEXTS),
        pa.field("linked_by", TEXTS),  # what its anomalies share: principal, access_key, api, ...
        pa.field("account_ids", TEXTS),
        pa.field("account_names", TEXTS),  # in the order of account_ids; the id where no name is
        pa.field("aws_regions", TEXTS),
        pa.field("principal_arns", TEXTS),
        pa.field("people", TEXTS),  # humans or workloads at the heads of the sessions' chains
        pa.field("access_key_ids", TEXTS),
        pa.field("networks", TEXTS),  # IPv4 /24, IPv6 /48
        pa.field("apis", TEXTS),  # event_source:event_name
        pa.field("tactics", TEXTS),  # of ATT&CK, in the order of its matrix: persistence, ...
        pa.field("techniques", TEXTS),  # of ATT&CK: T1098.001, ...
        pa.field("lanes", TEXT, nullable=False),  # JSON, see below
        pa.field("event_ids", TEXTS),  # at most 100, from all its anomalies
        pa.field("events", pa.int64(), nullable=False),  # sum over its anomalies, which may overlap
    ]
)
"""Table `incidents`, one row per revision; append-only, the newest of an id counts.

`closed_because` is one of ended (a while ago), merged (another took its anomalies over, which
`superseded_by` names), withdrawn (late logs took the reason of all its anomalies away) and marked
(a person or the allow-list called all of them benign).

`lanes` is a JSON list with an object for each tactic: {"tactic": "persistence", "techniques":
["T1098"], "from": ["rule", "api"], "apis": [...], "first_seen": ISO time, "last_seen": ISO time,
"anomaly_ids": [...]}.
"""

ANOMALY_TRAITS: Final = pa.schema(
    [
        pa.field("anomaly_id", TEXT, nullable=False),
        pa.field("revision", pa.int32(), nullable=False),  # of the anomaly
        pa.field("account_id", TEXT),  # of the anomaly
        pa.field("trait", TEXT, nullable=False),  # see below
        pa.field("value", TEXT, nullable=False),
        pa.field("calls", pa.int64(), nullable=False),  # evidence events that have it
        pa.field("of_calls", pa.int64(), nullable=False),  # evidence events that were found
        pa.field("read_at", TIMESTAMP, nullable=False),
    ]
)
"""Table `anomaly_traits`: what the evidence events of an anomaly have in common.

Append-only; the rows of its newest revision count. A revision with rows was taken into an incident.
`trait` is one of

- principal, role_name, access_key, invoked_by;
- person: the human or workload at the head of a session's chain;
- network: IPv4 /24 or IPv6 /48; common_network: one that many principals use anyway;
- api: event_source:event_name;
- sensitive: class and API of sensitive calls that succeeded, parted by a space;
- denied, write: calls refused, writes that succeeded (no value);
- read: that the evidence was read (no value).
"""
