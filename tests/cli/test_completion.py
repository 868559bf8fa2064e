"""What Tab offers behind a flag, asked as a shell asks it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from ctanalytics.app.nightly.steps import STEPS
from ctanalytics.cli.main import app
from ctanalytics.detectors import DEFAULT, DETECTORS
from ctanalytics.lake.erasure import ACTIONS
from ctanalytics.lake.layout import TABLES
from ctanalytics.records.incidents import INCIDENT_STATES
from ctanalytics.reporting.voice import LANGUAGES
from ctanalytics.simulator.attacks import ATTACKS

SEVERITIES = {"info", "low", "medium", "high", "critical"}


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What bash gets for the last word of a line; an empty one when the line ends with a space."""
    words = shlex.split(line) + [""] * line.endswith(" ")
    monkeypatch.setenv("_CTANALYTICS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        app([], prog_name="ctanalytics")
    return set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "values"),
    [
        pytest.param("ctanalytics inc", {"incidents"}, id="command"),
        pytest.param("ctanalytics lake com", {"compact"}, id="command-of-a-group"),
        pytest.param("ctanalytics detect --det", {"--detector"}, id="flag"),
        pytest.param("ctanalytics detect --detector ", set(DETECTORS), id="detector"),
        pytest.param("ctanalytics backtest --detector c", {"call_rate"}, id="typed-in-part"),
        pytest.param(
            "ctanalytics detect --detector sigma --detector nov", {"novelty"}, id="repeated"
        ),
        pytest.param("ctanalytics emit --min-severity ", SEVERITIES, id="severity"),
        pytest.param("ctanalytics incidents list --severity m", {"medium"}, id="severity-listed"),
        pytest.param("ctanalytics audit --fail-on cr", {"critical"}, id="fail-on"),
        pytest.param("ctanalytics incidents list --state ", set(INCIDENT_STATES), id="state"),
        pytest.param("ctanalytics query --name who_is", {"who_is_behind_key"}, id="saved-query"),
        pytest.param("ctanalytics query --format pa", {"parquet"}, id="format"),
        pytest.param("ctanalytics queries show key_", {"key_activity"}, id="argument"),
        pytest.param("ctanalytics report --language ", set(LANGUAGES), id="language"),
        pytest.param("ctanalytics report --format t", {"text"}, id="format-of-a-report"),
        pytest.param("ctanalytics audit --check seen-t", {"seen-tampering"}, id="check"),
        pytest.param("ctanalytics audit --format o", {"ocsf"}, id="format-of-an-audit"),
        pytest.param("ctanalytics simulate x --incident ", {"all", "none", *ATTACKS}, id="attack"),
        pytest.param("ctanalytics simulate x --partition aws-c", {"aws-cn"}, id="partition"),
        pytest.param("ctanalytics forget --action ", set(ACTIONS), id="action"),
        pytest.param("ctanalytics lake export x --format cl", {"cloudtrail"}, id="format-of-rows"),
        pytest.param("ctanalytics lake export x --table ", set(TABLES), id="table"),
        pytest.param("ctanalytics nightly --from ", set(STEPS), id="step"),
        pytest.param("ctanalytics nightly --only c", {"care"}, id="only-step"),
        pytest.param("ctanalytics deploy render single", {"single-account"}, id="kit"),
        pytest.param("ctanalytics deploy list cr", {"cron"}, id="kit-listed"),
        pytest.param(
            "ctanalytics rules try tampering/trail_sto", {"tampering/trail_stopped"}, id="rule"
        ),
        pytest.param("ctanalytics ingest --executor s", {"spark"}, id="executor"),
        pytest.param("ctanalytics views --log-format j", {"json"}, id="shared-flag"),
        pytest.param("ctanalytics query --lake ", set(), id="a-place-is-the-shell's-own-matter"),
    ],
)
def test_a_shell_is_offered(
    line: str,
    values: set[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert offered(line, monkeypatch, capsys) == values


def test_the_help_of_detect_names_every_detector_and_those_that_run_unasked() -> None:
    group: Any = typer.main.get_command(app)
    (flag,) = (one for one in group.commands["detect"].params if one.name == "detector")
    assert [name for name in DETECTORS if name not in flag.help] == []
    assert set(DETECTORS) - set(DEFAULT) == {"sigma"}, "else the help is wrong"
