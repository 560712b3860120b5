"""The table of candidates by stages, as wide as the terminal is and no wider.

Stages and verdict are always shown. Numbers stand beside them as far as they fit, those of most
worth first; where not even the stages fit beside a name, the name has a line of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from harness.criteria import NO_DIFFERENCE, Measurement
from harness.verdict import CandidateReport, Stage, Status, Verdict

STAGES = tuple(stage for stage in Stage if stage is not Stage.RESTORE)
STYLES = {
    Verdict.EQUIVALENT: "green",
    Verdict.DIFFERENT: "bold red",
    Verdict.BROKEN: "bold red",
    Verdict.SUSPICIOUS: "bold yellow",
    Verdict.UNSUPPORTED: "dim",
    Verdict.UNVERIFIED: "bold yellow",
}
PROVED = "proved"

_WORDS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("FAILED", "bold red"),
    Status.SKIPPED: ("-", "dim"),
    Status.UNSUPPORTED: ("-", "dim"),
}
_INDENT = "  "
_GAPS = (2, 1)
_UNITS = ("kB", "MB", "GB")


@dataclass(frozen=True, kw_only=True)
class _Column:
    """Cells under a heading; numbers stand at the right."""

    heading: str
    cells: Sequence[Text]
    is_number: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(self.heading), *(cell.cell_len for cell in self.cells))

    def lines(self, width: int) -> list[Text]:
        """Return the heading and the cells, all `width` wide."""
        return [_padded(cell, width, self.is_number) for cell in self.with_heading()]

    def with_heading(self) -> list[Text]:
        """Return the heading and the cells."""
        return [Text(self.heading, style="dim"), *self.cells]


def table_lines(candidates: Sequence[CandidateReport], *, width: int) -> list[Text]:
    """Return the lines of the table: a heading, and one or two for each candidate."""
    # As text: of a plain string rich would take brackets for markup.
    names = _Column(
        heading=f"{_INDENT}candidate", cells=[Text(f"{_INDENT}{c.name}") for c in candidates]
    )
    fixed = [*(_stage_column(candidates, stage) for stage in STAGES), _verdict_column(candidates)]
    for gap in _GAPS:
        room = width - names.width - sum(gap + column.width for column in fixed)
        if room >= 0:
            return _joined(names, [*fixed, *_fitting(candidates, room, gap)], names.width, gap)
    left = width - sum(gap + column.width for column in fixed)
    return _joined(names, fixed, max(left, cell_len(names.heading)), gap)


def _fitting(candidates: Sequence[CandidateReport], room: int, gap: int) -> list[_Column]:
    """Return the columns of numbers that fit, up to the first that does not."""
    kept: list[_Column] = []
    for heading, told in _NUMBERS:
        column = _Column(heading=heading, cells=[Text(told(c)) for c in candidates], is_number=True)
        room -= gap + column.width
        if room < 0:
            break
        kept.append(column)
    return kept


def _joined(names: _Column, columns: Sequence[_Column], width: int, gap: int) -> list[Text]:
    """Return the lines; a name wider than `width` stands above the rest of its line."""
    cells = zip(*(column.lines(column.width) for column in columns), strict=True)
    lines = []
    for name, row in zip(names.with_heading(), cells, strict=True):
        first = name
        if name.cell_len > width:
            lines.append(name)
            first = Text()
        line = _padded(first, width, is_number=False)
        for cell in row:
            line = Text.assemble(line, " " * gap, cell)
        line.rstrip()
        lines.append(line)
    return lines


def _padded(cell: Text, width: int, is_number: bool) -> Text:
    cell = cell.copy()
    missing = width - cell.cell_len
    if is_number:
        cell.pad_left(missing)
    else:
        cell.pad_right(missing)
    return cell


def _stage_column(candidates: Sequence[CandidateReport], stage: Stage) -> _Column:
    results = [candidate.stages.get(stage) for candidate in candidates]
    return _Column(
        heading=str(stage),
        cells=[Text(*_WORDS[result.status]) if result else Text() for result in results],
    )


def _verdict_column(candidates: Sequence[CandidateReport]) -> _Column:
    return _Column(
        heading="verdict",
        cells=[
            Text(PROVED if c.is_proved else str(c.verdict), style=STYLES[c.verdict])
            for c in candidates
        ],
    )


# ---- numbers


def is_compared(candidate: CandidateReport) -> bool:
    """Say whether the candidate's outputs were compared."""
    result = candidate.stages.get(Stage.OUTPUTS)
    return result is not None and result.status in {Status.PASSED, Status.FAILED}


def largest_difference(measured: Measurement) -> str:
    """Return "0", or the largest difference, relative to the output's largest magnitude."""
    if measured.max_abs == 0 and measured.max_ulp == 0:
        return "0"
    return f"{measured.max_rel:.1e} rel"


def size_text(size: int) -> str:
    """Return "76 kB": of small numbers two digits, and of larger ones all before the point."""
    if size < 1000:
        return f"{size} B"
    last = len(_UNITS)
    power = next((p for p in range(1, last) if size < 999.5 * 1000**p), last)
    value, unit = size / 1000**power, _UNITS[power - 1]
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def _difference(candidate: CandidateReport) -> str:
    # A dtype, a shape or an acceptance that differs is no number: least of all zero.
    failed = candidate.failed is not None and candidate.measured == NO_DIFFERENCE
    return "" if failed or not is_compared(candidate) else largest_difference(candidate.measured)


def _seconds(candidate: CandidateReport) -> str:
    return f"{candidate.seconds:.1f}"


def _size(candidate: CandidateReport) -> str:
    size = candidate.known("bytes")
    return "" if size is None else size_text(size)


def _nodes(candidate: CandidateReport) -> str:
    nodes = candidate.known("nodes")
    return "" if nodes is None else f"{nodes:,}"


_NUMBERS: tuple[tuple[str, Callable[[CandidateReport], str]], ...] = (
    ("largest diff", _difference),
    ("seconds", _seconds),
    ("size", _size),
    ("nodes", _nodes),
)
"""Those that are worth most come first."""
