"""The summary on the terminal: a table of candidates by stages for each model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.criteria import NO_DIFFERENCE, Measurement
from harness.signature import TensorSpec
from harness.verdict import (
    CandidateReport,
    DrawnInput,
    ModelReport,
    Stage,
    Status,
    Verdict,
)

_STAGES = (Stage.EXPORT, Stage.RELOAD, Stage.OUTPUTS, Stage.DEPLOYED)
_WORDS = {
    Status.PASSED: ("ok", "green"),
    Status.FAILED: ("FAILED", "bold red"),
    Status.SKIPPED: ("-", "dim"),
    Status.UNSUPPORTED: ("-", "dim"),
}
_STYLES = {
    Verdict.EQUIVALENT: "green",
    Verdict.DIFFERENT: "bold red",
    Verdict.BROKEN: "bold red",
    Verdict.SUSPICIOUS: "bold yellow",
    Verdict.UNSUPPORTED: "dim",
    Verdict.UNVERIFIED: "bold yellow",
}
_WIDEST = 500
_NARROWEST = 60
_MOST_DRAWN = 12


def render(models: Iterable[ModelReport], *, width: int, color: bool) -> str:
    """Return the tables of all models.

    Sentences are wrapped at `width` columns; a table is as wide as its cells need, since a
    terminal that breaks its lines is easier to read than words broken inside their cells.
    """
    console = Console(
        file=io.StringIO(),
        width=_WIDEST,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        soft_wrap=False,
    )
    with console.capture() as captured:
        for model in models:
            _model(console, model, width=width)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def render_brief(models: Iterable[ModelReport]) -> list[str]:
    """Return one line per model, for runs over many."""
    return [
        f"{model.name}: {model.verdict} ({sum(_is_compared(c) for c in model.candidates)} of "
        f"{len(model.candidates)} candidates compared)"
        for model in models
    ]


def _is_compared(candidate: CandidateReport) -> bool:
    return Stage.OUTPUTS in candidate.stages and (
        candidate.stages[Stage.OUTPUTS].status in {Status.PASSED, Status.FAILED}
    )


def _is_measured(candidate: CandidateReport) -> bool:
    # A dtype, a shape or an acceptance that differs is no number: least of all zero.
    return _is_compared(candidate) and (
        candidate.failed is None or candidate.measured != NO_DIFFERENCE
    )


def _model(console: Console, model: ModelReport, *, width: int) -> None:
    heading = Text.assemble(
        (model.name, "bold"), " is ", (str(model.verdict), _STYLES[model.verdict])
    )
    if model.stage is not None:
        heading.append(f" at {model.stage}")
    console.print(heading)
    if model.failed:
        _sentence(console, Text(model.message), width=width)
    elif model.candidates:
        console.print(_table(model.candidates))
        for told in [*_not_compared(model), *drawn_lines(model.facts.drawn)]:
            _sentence(console, Text(told), width=width)
    for (verdict, message), names in _explanations(model).items():
        style = _STYLES[verdict]
        who = f" ({', '.join(names)})"
        # What ends in lines to copy keeps them clean.
        first, last = (who, "") if "\n" in message else ("", who)
        line = Text.assemble((str(verdict), style), first, ": ", message, last)
        _sentence(console, line, width=width)
    for warning in model.warnings:
        line = Text.assemble(("warning", "yellow"), ": ", warning.message)
        _sentence(console, line, width=width)
    console.print()


def _explanations(model: ModelReport) -> dict[tuple[Verdict, str], list[str]]:
    """Return why candidates are not equivalent, each reason once, with those that it holds for."""
    found: dict[tuple[Verdict, str], list[str]] = {}
    for candidate in model.candidates:
        if candidate.verdict is Verdict.EQUIVALENT or not candidate.message or model.failed:
            continue  # where the model itself failed, that was said above
        found.setdefault((candidate.verdict, candidate.message), []).append(candidate.name)
    return found


def _not_compared(model: ModelReport) -> list[str]:
    """Return how many examples were not compared and why, each line once for all it holds for."""
    found: dict[str, list[str]] = {}
    for candidate in model.candidates:
        for stage, result in candidate.stages.items():
            counts = (
                (result.rejected, "refused by both sides"),
                (result.timed_out, "that ran too long"),
                (result.ill_conditioned, "that differ by no more than rounding explains"),
            )
            said = ", ".join(f"{count} {why}" for count, why in counts if count)
            if said:
                line = f"{stage}: of {result.examples} examples, not compared: {said}"
                found.setdefault(line, []).append(candidate.name)
    return [f"{line} ({', '.join(names)})" for line, names in found.items()]


def _sentence(console: Console, text: Text, *, width: int) -> None:
    console.print(Padding(text, (0, 0, 0, 2)), width=max(width, _NARROWEST))


def _table(candidates: Iterable[CandidateReport]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  candidate", no_wrap=True)
    for stage in _STAGES:
        table.add_column(str(stage), no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for heading in ("nodes", "bytes", "largest diff", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for candidate in candidates:
        nodes, size = candidate.known("nodes"), candidate.known("bytes")
        table.add_row(
            Text(f"  {candidate.name}"),  # in plain text rich takes brackets for markup
            *(_status(candidate, stage) for stage in _STAGES),
            Text(str(candidate.verdict), style=_STYLES[candidate.verdict]),
            "" if nodes is None else f"{nodes:,}",
            "" if size is None else f"{size:,}",
            largest_difference(candidate.measured) if _is_measured(candidate) else "",
            f"{candidate.seconds:.1f}",
        )
    return table


def _status(candidate: CandidateReport, stage: Stage) -> Text:
    result = candidate.stages.get(stage)
    if result is None:
        return Text("")
    word, style = _WORDS[result.status]
    return Text(word, style=style)


def largest_difference(measured: Measurement) -> str:
    """Return "0", or the largest difference, relative to the output's largest magnitude."""
    if measured.max_abs == 0 and measured.max_ulp == 0:
        return "0"
    return f"{measured.max_rel:.1e} rel"


def drawn_lines(drawn: Sequence[DrawnInput], *, most: int = _MOST_DRAWN) -> list[str]:
    """Return a line per input that says what its feeds are drawn from."""
    lines = [
        f"drawn: {entry.name} {entry.shape}"
        f"{': ' if entry.axes or entry.values else ''}"
        f"{'; '.join([*entry.axes, *([entry.values] if entry.values else [])])}"
        f"{f' (read from {entry.read_from})' if entry.read_from else ''}"
        for entry in drawn[:most]
    ]
    more = len(drawn) - most
    return [*lines, f"drawn: {more} more inputs, told by --report-json"] if more > 0 else lines


def signature_lines(
    inputs: Iterable[TensorSpec],
    outputs: Iterable[TensorSpec],
    *,
    inferred: tuple[bool, bool],
    cuts: Sequence[str] = (),
) -> list[str]:
    """Return the lines of the header that tell a signature and where it came from."""
    words = [" (inferred)" if flag else "" for flag in inferred]
    cut = [f"  the graph is cut at {', '.join(cuts)}: what lies before is not run"] if cuts else []
    return [
        f"  inputs{words[0]}: {', '.join(map(str, inputs)) or 'none'}",
        *cut,
        f"  outputs{words[1]}: {', '.join(map(str, outputs)) or 'none'}",
    ]
