from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctanalytics.cli.main import main
from tests.app.test_investigate import INTRUDER, KEY, NEW_KEY, home  # noqa: F401


def run(home: Path, *arguments: str) -> int:  # noqa: F811
    config = home / "ctanalytics.toml"
    config.write_text(f'[rules]\npackaged = false\ndirectories = ["{home / "rules"}"]\n')
    lake = ["--lake", str(home / "lake"), "--config", str(config), "--quiet"]
    return main(["investigate", *arguments, *lake])


def test_a_summary_goes_to_the_terminal_and_all_of_it_to_files_and_json(
    home: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(home, "--key", KEY, "--output", str(home / "cli")) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"The access key {KEY} made 19 calls; 4 credentials came of them")
    for words in ("Left behind: 4 things", NEW_KEY, "User made", str(home / "cli")):
        assert words in said
    assert "\x1b" not in said and "\u202e" not in said

    assert run(home, "--ip", INTRUDER, "--rows", "1", "--output", str(home / "cli"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["subject"] == {"kind": "ip", "value": INTRUDER}
    steps = found["parts"]["timeline"]["tables"]["timeline"]
    assert len(steps["rows"]) == 1 < steps["found"]
    assert json.loads((home / "cli" / "investigation.json").read_text()) == found


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--key", KEY, "--ip", INTRUDER], 2, "one subject, not 2", id="two-subjects"),
        pytest.param([], 2, "one subject", id="no-subject"),
        pytest.param(["--ip", "nowhere"], 2, "no address", id="no-address"),
        pytest.param(["--event", "none"], 1, "there is no event", id="unknown"),
    ],
)
def test_wrong_usage_and_what_is_not_there_have_their_exit_codes(
    home: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    assert run(home, *arguments) == code
    assert said in capsys.readouterr().err
