"""Log content is an attacker's: it reaches no terminal, path, SQL or spreadsheet as it is."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics import untrusted

anything = st.text(st.characters(exclude_categories=()), max_size=60)
DUCKDB = duckdb.connect()


@given(anything)
def test_what_is_printed_moves_no_cursor_and_hides_nothing(text: str) -> None:
    shown = untrusted.terminal(text)
    assert all(
        character in "\n\t"
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        for character in shown
    )
    shown.encode("utf-8")


@given(anything)
def test_one_line_is_one_line(text: str) -> None:
    assert len(untrusted.one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("dora@example.com: 50 %", "dora@example.com: 50 %"),
        ("Zürich 東京 😀", "Zürich 東京 😀"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("a\u200bb", "a\\u200bb"),
        ("a\rb\x00", "a\\x0db\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\ue0041"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_harmless_text_stays_and_the_rest_is_visible(text: str, shown: str) -> None:
    assert untrusted.terminal(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert untrusted.terminal("x" * 50, limit=10) == "x" * 9 + "…"
    assert untrusted.terminal("x" * 10, limit=10) == "x" * 10
    assert len(untrusted.one_line("x" * 10_000)) == 200


@pytest.mark.parametrize("value", [None, 5, b"\x1b", ["\x1b"], ValueError("\x1b")])
def test_anything_can_be_shown(value: object) -> None:
    assert "\x1b" not in untrusted.terminal(value)


@given(anything)
def test_a_file_name_is_one_component_that_leads_nowhere(text: str) -> None:
    name = untrusted.file_name(text)
    assert name not in ("", ".", "..")
    assert Path(name).name == name
    assert not name.startswith(".")
    assert name.isascii()
    assert len(name) <= 120


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("", "_"),
        ("...", "_"),
        ("a b/c", "a_b_c"),
        ("x.json", "x.json"),
    ],
)
def test_a_file_name_stays_readable(text: str, name: str) -> None:
    assert untrusted.file_name(text) == name


sql = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)


@given(sql)
def test_quoted_text_is_itself_in_sql(text: str) -> None:
    assert DUCKDB.execute(f"select {untrusted.sql_text(text)}").fetchall() == [(text,)]


@given(sql.filter(bool))
def test_a_quoted_name_is_itself_in_sql(name: str) -> None:
    found = DUCKDB.execute(f"select 1 as {untrusted.sql_identifier(name)}")
    assert [column[0] for column in found.description] == [name]
    found.fetchall()


@pytest.mark.parametrize("quote", [untrusted.sql_text, untrusted.sql_identifier])
def test_no_nul_reaches_sql(quote: object) -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"],
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert untrusted.spreadsheet(text) == "'" + text


@pytest.mark.parametrize("text", ["", "plain", "a=1", " x", "arn:aws:iam::111122223333:root", "5"])
def test_a_plain_cell_stays(text: str) -> None:
    assert untrusted.spreadsheet(text) == text


@given(anything.filter(lambda text: "\0" not in text))
def test_a_cell_comes_back_from_csv_behind_its_quote(text: str) -> None:
    sink = io.StringIO(newline="")
    csv.writer(sink).writerow([untrusted.spreadsheet(text), "next"])
    sink.seek(0)
    (row,) = csv.reader(sink)
    assert row[0].removeprefix("'") in (text, text.removeprefix("'"))
    assert row[1] == "next"
