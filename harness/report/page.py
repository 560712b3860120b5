"""Text for a terminal, in sections: sentences that wrap, and tables that fold where they are wide.

Words stand whole on a line, however narrow the terminal: names are there to be copied.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_GAP = "  "


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table. Where the table is folded, it `is_named` beside its value."""

    heading: str
    is_right: bool = False
    is_named: bool = False


class Page:
    """Lines of text, `width` columns wide where they can be."""

    def __init__(self, *, width: int, color: bool) -> None:
        """Begin an empty page."""
        self._width = width
        self._console = Console(
            file=io.StringIO(),
            width=width,
            force_terminal=color,
            color_system="standard" if color else None,
            legacy_windows=False,
            highlight=False,
        )
        self._lines: list[Text] = []

    def __str__(self) -> str:
        with self._console.capture() as captured:
            for line in self._lines:
                line.rstrip()
                self._console.print(line, no_wrap=True, overflow="ignore", crop=False)
        return captured.get().rstrip("\n")

    def heading(self, first: str, *rest: str | tuple[str, str] | Text) -> None:
        """Begin a section; the first part is bold."""
        if self._lines:
            self._lines.append(Text())
        self.sentence((first, "bold"), *rest, indent=0)

    def line(self, *parts: str | tuple[str, str] | Text, indent: int = 2) -> None:
        """Add a line that is never broken."""
        self._lines.append(Text.assemble(" " * indent, *parts))

    def sentence(self, *parts: str | tuple[str, str] | Text, indent: int = 2) -> None:
        """Add text that wraps between words, its further lines indented alike."""
        text = Text.assemble(*parts)
        for wrapped in text.divide(_ends_of_lines(text.plain, self._width - indent)):
            self.line(wrapped, indent=indent)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Text]], *, indent: int = 2
    ) -> None:
        """Add a table, or where that is too wide, the rows one below the other.

        A column without any value is left out.
        """
        kept = [i for i in range(len(columns)) if any(row[i].plain for row in rows)]
        columns = [columns[i] for i in kept]
        rows = [[row[i] for i in kept] for row in rows]
        headings = [Text(column.heading, style="dim") for column in columns]
        widths = [
            max(cell.cell_len for cell in cells) for cells in zip(headings, *rows, strict=True)
        ]
        if indent + sum(widths) + len(_GAP) * (len(widths) - 1) > self._width:
            for row in rows:
                self._folded(columns, row, indent=indent)
            return
        for row in (headings, *rows) if any(column.heading for column in columns) else rows:
            self.line(*_joined(map(_aligned, columns, row, widths)), indent=indent)

    def _folded(self, columns: Sequence[Column], row: Sequence[Text], *, indent: int) -> None:
        first, *rest = row
        self.line(first, indent=indent)
        indent += 4
        together = Text()
        for column, cell in zip(columns[1:], rest, strict=True):
            if not cell.plain:
                continue
            shown = Text.assemble((f"{column.heading} ", "dim"), cell) if column.is_named else cell
            if together and indent + together.cell_len + 2 + shown.cell_len > self._width:
                self.line(together, indent=indent)
                together = Text()
            together = Text.assemble(together, _GAP, shown) if together else shown
        if together:
            self.line(together, indent=indent)


def _ends_of_lines(text: str, width: int) -> list[int]:
    """Return where lines end that hold as many whole words as `width` columns take."""
    ends = []
    start = 0
    for word in re.finditer(r"\S+", text):
        if word.start() > start and cell_len(text[start : word.end()]) > width:
            start = word.start()
            ends.append(start)
    return ends


def _aligned(column: Column, cell: Text, width: int) -> Text:
    cell = cell.copy()
    missing = width - cell.cell_len
    if column.is_right:
        cell.pad_left(missing)
    else:
        cell.pad_right(missing)
    return cell


def _joined(cells: Iterable[Text]) -> list[str | Text]:
    joined: list[str | Text] = []
    for cell in cells:
        joined += [_GAP, cell] if joined else [cell]
    return joined
