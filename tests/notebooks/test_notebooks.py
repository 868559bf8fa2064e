"""The notebooks run from top to bottom on the sample logs, and are stored without their results."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {file.stem: file for file in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def code(name: str) -> list[str]:
    """The code cells of a notebook."""
    return [cell for kind, cell in cells(name) if kind == "code"]


def cells(name: str) -> list[tuple[str, str]]:
    found = json.loads(NOTEBOOKS[name].read_text("utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in found]


def run(name: str) -> None:
    """Run a notebook as Jupyter does: cell by cell in one namespace, the last value shown."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, text in enumerate(code(name)):
        tree = ast.parse(text)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        place = f"{name}[{number}]"
        exec(compile(tree, place, "exec"), names)
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), place, "eval"), names)
            repr(shown)
            if type(shown).__module__.startswith("altair"):
                shown.to_dict()


def test_all_run_from_top_to_bottom_over_one_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sample_logs").symlink_to(ROOT / "sample_logs")
    monkeypatch.chdir(tmp_path)
    # This one makes the lake that the others find.
    for name in ("getting_started", *(NOTEBOOKS.keys() - {"getting_started"})):
        run(name)
    assert (tmp_path / "build" / "notebook" / "stolen_key" / "investigation.html").is_file()


def test_there_are_five_and_none_holds_results() -> None:
    assert NOTEBOOKS.keys() == {
        "cost_lens",
        "getting_started",
        "investigate_a_stolen_key",
        "tune_a_detector",
        "write_your_own_detector",
    }
    for name, file in NOTEBOOKS.items():
        found = json.loads(file.read_text("utf-8"))
        assert cells(name)[0][1].startswith("# ")
        for cell in found["cells"]:
            assert not cell.get("outputs"), name
            assert cell.get("execution_count") is None, name
