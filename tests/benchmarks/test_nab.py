"""The scoring of public labelled series, and the adapter that reads them."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detection.nab_scoring import curve, normalised, weigh
from benchmarks.detection.value_novelty import novelty

LENGTH = 1_000
WINDOWS = [(400, 449), (700, 749)]


def score(alarms: list[int], windows: list[tuple[int, int]] = WINDOWS) -> float:
    values = np.zeros(LENGTH)
    values[alarms] = 1.0
    made = curve([(values, weigh(LENGTH, windows))])
    return normalised(made.at(0.5), made.windows)


def test_silence_is_0_and_an_alarm_at_the_start_of_each_window_is_100() -> None:
    assert score([]) == 0.0
    assert score([400, 700]) == pytest.approx(100.0)


def test_an_alarm_counts_less_the_later_in_its_window_it_comes() -> None:
    found = [score([400 + late, 700]) for late in (0, 20, 40, 49)]
    assert found == sorted(found, reverse=True)
    assert found[-1] > 50.0


def test_of_several_alarms_in_a_window_the_best_counts_alone() -> None:
    assert score([400, 410, 449, 700]) == pytest.approx(100.0)


def test_a_false_alarm_costs_the_more_the_farther_it_lies_behind_a_window() -> None:
    near, far = score([400, 452, 700]), score([400, 640, 700])
    assert far == pytest.approx(100 - 100 * 0.11 / 4)
    assert far < near < 100.0


def test_the_probation_counts_neither_way() -> None:
    assert score([10, 400, 700]) == pytest.approx(100.0)
    assert score([10], [(5, 15), (700, 749)]) == pytest.approx(
        25.0
    )  # its miss costs nothing either


def test_the_best_threshold_leaves_out_what_costs_more_than_it_finds() -> None:
    values = np.zeros(LENGTH)
    values[[400, 700]] = 3.0
    values[[500, 600, 900]] = 2.0
    made = curve([(values, weigh(LENGTH, WINDOWS))])
    assert made.best() == 3.0
    assert normalised(made.at(made.best()), made.windows) == pytest.approx(100.0)


def test_novelty_depends_on_the_past_alone() -> None:
    values = np.random.default_rng(5).normal(10, 1, 800)
    values[500] = 40.0
    whole, part = novelty(values), novelty(values[:600])
    assert np.allclose(whole[:600], part)
    assert int(np.argmax(whole[200:])) + 200 == 500


@pytest.mark.parametrize("flat", [False, True], ids=["in-their-folder", "in-one-folder"])
def test_the_command_scores_the_files_that_are_there(tmp_path: Path, flat: bool) -> None:
    start = dt.datetime(2014, 2, 14, tzinfo=dt.UTC).replace(tzinfo=None)
    moments = [start + dt.timedelta(minutes=5 * place) for place in range(LENGTH)]
    values = np.random.default_rng(3).normal(10, 1, LENGTH)
    values[400] = 60.0
    folder = tmp_path if flat else tmp_path / "real"
    folder.mkdir(exist_ok=True)
    lines = [f"{moment},{value}" for moment, value in zip(moments, values, strict=True)]
    (folder / "cpu.csv").write_text("timestamp,value\n" + "\n".join(lines))
    window = [f"{moments[390]}.000000", f"{moments[440]}.000000"]
    labels = tmp_path / "windows.json"
    labels.write_text(json.dumps({"real/cpu.csv": [window], "real/absent.csv": [window]}))
    command = [sys.executable, "-m", "benchmarks.detection.nab", tmp_path, labels, "--json"]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    found = json.loads(run.stdout)
    assert list(found["files"]) == ["real/cpu.csv"]
    assert found["standard"] > 80.0
