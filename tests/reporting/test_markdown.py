from __future__ import annotations

import html

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ctanalytics import untrusted
from ctanalytics.reporting import markdown
from tests.reporting.scene import HOSTILE

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MARKS = st.text(st.sampled_from(list("ab1 `|\\*_~[]()<>!#-+.=:&;{}'\"/@\n\t")), max_size=30)
TEXTS = st.one_of(MARKS, st.text(max_size=30), st.sampled_from(HOSTILE))


def read(page: str) -> str:
    """What a reader sees of one paragraph, without what the paragraph itself adds."""
    return html.unescape(READER.render(page)).strip().removeprefix("<p>").removesuffix("</p>")


@given(TEXTS)
@example("1. first")
@example("2)")
@example("---")
@example("a\\|b")
def test_escaped_text_reads_as_it_was_written(value: str) -> None:
    shown = " ".join(untrusted.one_line(value).split(" ")).strip()
    while "  " in shown:
        shown = shown.replace("  ", " ")
    if shown:
        assert read(markdown.text(shown)) == shown


@given(TEXTS)
def test_code_reads_as_it_was_written(value: str) -> None:
    shown = untrusted.one_line(value).strip()
    if shown:
        page = read(markdown.code(shown))
        found = page.removeprefix("<code>").removesuffix("</code>")
        assert " ".join(found.split()) == " ".join(shown.split())


@given(st.lists(TEXTS, min_size=2, max_size=4), st.booleans())
def test_no_cell_breaks_out_of_its_table(values: list[str], as_code: bool) -> None:
    cells = [markdown.code(value) if as_code else markdown.text(value) for value in values]
    line = "| " + " | ".join(cells) + " |"
    head = "|" + " a |" * len(values)
    page = READER.parse(f"{head}\n|{' --- |' * len(values)}\n{line}\n")
    kinds = [token.type for token in page]
    assert kinds.count("td_open") == len(values)
    inner = {child.type for token in page for child in token.children or ()}
    assert inner <= {"text", "code_inline", "text_special"}


@given(TEXTS)
def test_block_ends_only_at_its_fence(value: str) -> None:
    tokens = READER.parse(markdown.block(value, "sql"))
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content == untrusted.terminal(value) + "\n"
