"""Sections of text that fit a terminal without breaking names."""

from __future__ import annotations

import pytest
from rich.text import Text

from harness.report.page import Column, Page

COLUMNS = (
    Column(heading="name"),
    Column(heading="shape"),
    Column(heading="bytes", is_right=True, is_named=True),
)


def table(*rows: tuple[str, ...], width: int = 80, indent: int = 2) -> list[str]:
    page = Page(width=width, color=False)
    page.table(COLUMNS, [[Text(cell) for cell in row] for row in rows], indent=indent)
    return str(page).splitlines()


def test_cells_stand_below_their_headings() -> None:
    assert table(("kernel", "[4, 2]", "32"), ("b", "[2]", "1,008")) == [
        "  name    shape   bytes",
        "  kernel  [4, 2]     32",
        "  b       [2]     1,008",
    ]


def test_a_table_that_is_too_wide_is_folded_row_by_row() -> None:
    assert table(("scope/of/a/kernel", "[4, 2]", "32"), ("b", "[2]", ""), width=24) == [
        "  scope/of/a/kernel",
        "      [4, 2]  bytes 32",
        "  b",
        "      [2]",
    ]


def test_a_folded_row_takes_as_many_lines_as_its_cells_need() -> None:
    assert table(("kernel", "[4, 2, 8, 8]", "1,024"), width=22) == [
        "  kernel",
        "      [4, 2, 8, 8]",
        "      bytes 1,024",
    ]


@pytest.mark.parametrize("width", [1, 20, 80])
def test_a_name_is_never_broken(width: int) -> None:
    name = "a/long/name-with-hyphens/" * 9
    page = Page(width=width, color=False)
    page.table(COLUMNS, [[Text(name), Text("[]"), Text("4")]])
    page.sentence(f"the variable {name} is not there")
    page.line(name)
    assert str(page).count(name) == 3


def test_a_table_that_just_fits_is_not_folded() -> None:
    row = ("kernel", "[4, 2]", "32")
    natural = max(map(len, table(row)))
    assert len(table(row, width=natural)) == 2
    assert table(row, width=natural - 1)[0] == "  kernel"


def test_a_column_without_values_is_left_out() -> None:
    assert table(("kernel", "", "32")) == ["  name    bytes", "  kernel     32"]


def test_sentences_wrap_between_words_and_keep_their_indent() -> None:
    page = Page(width=24, color=False)
    page.sentence("one two three four of five", indent=4)  # a column too long for two words more
    page.sentence("one two three four 5 six", indent=4)
    assert str(page).splitlines() == [
        "    one two three four",
        "    of five",
        "    one two three four 5",
        "    six",
    ]


def test_sections_are_set_apart() -> None:
    page = Page(width=80, color=False)
    page.heading("First", ": 1")
    page.line("x")
    page.heading("Second")
    assert str(page) == "First: 1\n  x\n\nSecond"


@pytest.mark.parametrize("name", ["model[v2]", "[red]", ":smile:", "a\\[b]"])
def test_text_is_shown_as_it_is(name: str) -> None:
    page = Page(width=80, color=True)
    page.line(name)
    page.sentence(name)
    assert str(page).count(name) == 2


def test_colour_is_for_terminals_alone() -> None:
    def shown(*, color: bool) -> str:
        page = Page(width=80, color=color)
        page.heading("Heading")
        page.line(("red", "red"))
        return str(page)

    assert "\x1b[" not in shown(color=False)
    assert "\x1b[" in shown(color=True)


def test_no_line_ends_in_blanks() -> None:
    page = Page(width=12, color=False)
    page.sentence("several words that wrap")
    page.table(COLUMNS, [[Text("a"), Text("b"), Text("c")]])
    assert all(line == line.rstrip() for line in str(page).splitlines())
