"""The report says how much of it is proved, and where the lake is blind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from ctanalytics.app.report import report
from ctanalytics.app.validate import validate
from tests import builders
from tests.app.ingesting import run
from tests.integrity.trail import HOUR, START, Trail


def tampered(folder: Path) -> Path:
    """A lake of a trail of which one file was altered and one is missing."""
    trail = Trail()
    altered = trail.objects[trail.logs[1][0]]
    altered.data = gzip.compress(gzip.decompress(altered.data).replace(b"Buckets", b"Objects"))
    del trail.objects[trail.logs[3][0]]
    run(trail.write(folder / "copy"), folder / "lake")
    return folder / "lake"


def told(lake: Path, folder: Path) -> dict[str, object]:
    made = report(lake, output=folder / "report", since=START, until=START + 6 * HOUR)
    found: dict[str, object] = json.loads(Path(made.json).read_text("utf-8"))
    return found


def sections(found: dict[str, object]) -> dict[str, dict[str, object]]:
    parts = found["sections"]
    assert isinstance(parts, dict)
    return parts


def test_a_lake_that_was_never_validated_has_no_such_section(tmp_path: Path) -> None:
    assert "trust" not in sections(told(tampered(tmp_path), tmp_path))


def test_the_verified_share_of_events_and_evidence_is_told(tmp_path: Path) -> None:
    lake = tampered(tmp_path)
    validate(tmp_path / "copy", lake=lake)
    ids = [f"0001x{0:011d}", f"0002x{0:011d}"]  # of the altered file, and of a whole one
    evidence = json.dumps({"event_ids": ids, "events": 2, "sql": "select * from events"})
    row = builders.anomaly(START + HOUR, ended_at=START + 3 * HOUR, evidence=evidence)
    builders.append(lake, "anomalies", row)
    trust = sections(told(lake, tmp_path))["trust"]
    sentences = trust["sentences"]
    assert isinstance(sentences, list)
    assert sentences[0].startswith("10 of 11 events of this span come from log files")
    assert sentences[1].endswith("1 of 2 events do.")
    assert "stopped, incomplete or unusually silent" in sentences[2]
    text = json.dumps(trust)
    assert '"incomplete"' in text and '"modified"' in text
