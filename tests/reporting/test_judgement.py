"""The report counts what was set aside as harmless, and says when life moved away from the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctanalytics.reporting.document import Section
from tests.reporting import scene


def told(folder: Path, **tables: Any) -> Section | None:
    anomalies = [scene.anomaly(anomaly_id=str(number) * 32) for number in range(3)]
    with scene.engine(folder, anomalies=anomalies, **tables) as engine:
        document = scene.document(engine)
    return next((found for found in document.sections if found.name == "judgement"), None)


def mark(number: int, verdict: str, note: str | None = None) -> dict[str, Any]:
    return {
        "anomaly_id": str(number) * 32,
        "verdict": verdict,
        "note": note,
        "marked_by": "ana",
        "marked_at": scene.NOW,
    }


def moved(measure: str, feature: str, value: float) -> dict[str, Any]:
    return {
        "judged_date": scene.SINCE.date(),
        "measure": measure,
        "feature": feature,
        "value": value,
        "principals": 40,
        "measured_at": scene.NOW,
    }


def test_what_was_set_aside_is_counted_and_told_with_its_reason(tmp_path: Path) -> None:
    marks = [mark(0, "allowed", "the scanner"), mark(1, "benign"), mark(2, "confirmed")]
    found = told(tmp_path, marks=marks)
    assert found is not None
    assert found.sentences == (
        "2 anomalies were set aside as harmless; they are in this report and were not sent.",
    )
    assert [fact.value for fact in found.facts] == [1, 1, 1]
    (table,) = found.tables
    assert {(row["verdict"], row["note"]) for row in table.rows} == {
        ("allowed", "the scanner"),
        ("benign", None),
        ("confirmed", None),
    }


def test_measures_that_moved_far_are_listed(tmp_path: Path) -> None:
    drift = [
        moved("psi", "calls", 0.01),
        moved("psi", "new_apis", 0.4),
        moved("rank_correlation", "forest", 0.5),
    ]
    found = told(tmp_path, behaviour_drift=drift)
    assert found is not None
    assert "2 of its measures moved far" in found.sentences[0]
    (table,) = found.tables
    assert [row["feature"] for row in table.rows] == ["new_apis", "forest"]


def test_without_marks_and_models_there_is_no_section(tmp_path: Path) -> None:
    assert told(tmp_path) is None
