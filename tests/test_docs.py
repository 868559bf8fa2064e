from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "docs/build.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_page_has_its_place_in_the_site() -> None:
    """Also kept by `make docs`, which fails on a page without one."""
    placed = re.findall(r"([\w.-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"settings.head.md"}
    assert sorted(set(placed) - {"settings.head.md"}) == sorted(pages)


def test_both_quick_starts_run_the_same_commands() -> None:
    english, japanese = (
        re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / name).read_text("utf-8"), re.DOTALL)
        for name in ("index.md", "index.ja.md")
    )
    assert english == japanese


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_links_of_the_readme_lead_somewhere(readme: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / readme).read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_pictures_are_small_and_all_of_them_are_shown() -> None:
    pictures = {f"images/{file.name}": file for file in (ROOT / "docs" / "images").iterdir()}
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert {name for name in pictures if f"]({name})" not in pages} == set()
    assert {name for name, file in pictures.items() if file.stat().st_size > 200_000} == set()
