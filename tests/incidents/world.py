"""Incidents without a lake: the tables are rows in memory, and a build adds to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctanalytics.incidents.revising import Changes, changes
from ctanalytics.incidents.traits import traits
from ctanalytics.records.incidents import ANOMALY_TRAITS, INCIDENTS
from ctanalytics.settings import Incidents
from tests import builders
from tests.incidents.scene import NIGHT


class World:
    """What a lake holds that matters to incidents."""

    def __init__(self, folder: Path, **tables: Sequence[Mapping[str, Any]]) -> None:
        self.folder = folder
        self.tables: dict[str, list[Mapping[str, Any]]] = {
            name: list(rows) for name, rows in tables.items()
        }
        self.incidents = INCIDENTS.empty_table()
        self.traits = ANOMALY_TRAITS.empty_table()

    def add(self, name: str, *rows: Mapping[str, Any]) -> None:
        """Add rows to a table."""
        self.tables.setdefault(name, []).extend(rows)

    def build(self, now: dt.datetime = NIGHT, settings: Incidents | None = None) -> Changes:
        """Do what `build_incidents` does, in its order."""
        settings = settings or Incidents()
        kept: dict[str, Any] = {"incidents": self.incidents, "anomaly_traits": self.traits}
        with builders.engine(self.folder, None, **kept, **self.tables) as engine:
            pending = engine.run("incidents/pending").to_pylist()
            fresh = traits(engine, pending, now=now, common=settings.common_network)
            found = changes(engine, pending, fresh, settings=settings, now=now)
        self.incidents = pa.concat_tables([self.incidents, found.rows])
        self.traits = pa.concat_tables([self.traits, fresh])
        return found

    def standing(self) -> list[dict[str, Any]]:
        """All incidents in their newest revision, the first opened first."""
        newest = {row["incident_id"]: row for row in self.incidents.to_pylist()}
        return sorted(
            newest.values(),
            key=lambda row: (row["opened_at"], row["started_at"], row["incident_id"]),
        )
