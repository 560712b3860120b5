"""The summary on the terminal: a table of candidates by stages for each model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harness.report.candidate_table import PROVED, STYLES, is_compared, table_lines
from harness.signature import TensorSpec
from harness.verdict import DrawnInput, ModelReport, Stage, Verdict

_WIDEST = 500
_NARROWEST = 60
_MOST_DRAWN = 12


def render(
    models: Iterable[ModelReport],
    *,
    width: int,
    color: bool,
    tolerances: Mapping[str, str] | None = None,
) -> str:
    """Return the tables of all models, with sentences wrapped at `width` columns.

    `tolerances` are those that outputs are compared within, by model, where they cannot be equal.
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
            tolerance = (tolerances or {}).get(model.name, "the tolerance")
            _model(console, model, width=width, tolerance=tolerance)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def render_brief(models: Iterable[ModelReport]) -> list[str]:
    """Return one line per model, for runs over many."""
    return [
        f"{model.name}: {''.join(_verdict(model))} ({sum(map(is_compared, model.candidates))} of "
        f"{len(model.candidates)} candidates compared)"
        for model in models
    ]


def _verdict(model: ModelReport) -> tuple[str, str]:
    """Return the verdict, and what is put behind it."""
    agreeing = [c for c in model.candidates if c.verdict is Verdict.EQUIVALENT]
    is_proved = model.verdict is Verdict.EQUIVALENT and all(c.is_proved for c in agreeing)
    return str(model.verdict), f", {PROVED}" if is_proved else ""


def _model(console: Console, model: ModelReport, *, width: int, tolerance: str) -> None:
    verdict, proved = _verdict(model)
    heading = Text.assemble((model.name, "bold"), " is ", (verdict, STYLES[model.verdict]), proved)
    if model.stage is not None:
        heading.append(f" at {model.stage}")
    console.print(heading)
    if model.failed:
        _sentence(console, Text(model.message), width=width)
    elif model.candidates:
        for line in table_lines(model.candidates, width=width):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
        told = [
            *_transformed(model, tolerance),
            *_not_compared(model),
            *drawn_lines(model.facts.drawn),
        ]
        for sentence in told:
            _sentence(console, Text(sentence), width=width)
    for (verdict_of, message), names in _explanations(model).items():
        style = STYLES[verdict_of]
        who = f" ({', '.join(names)})"
        # What ends in lines to copy keeps them clean.
        first, last = (who, "") if "\n" in message else ("", who)
        line = Text.assemble((str(verdict_of), style), first, ": ", message, last)
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


def _transformed(model: ModelReport, tolerance: str) -> list[str]:
    """Return what was done to graphs by which bits cannot be equal, each line once."""
    found: dict[str, list[str]] = {}
    for candidate in model.candidates:
        structure = candidate.stages.get(Stage.STRUCTURE)
        if structure is not None and structure.transforms:
            found.setdefault("; ".join(structure.transforms), []).append(candidate.name)
    return [
        f"transformed: {what}, so that outputs are compared within {tolerance} ({', '.join(names)})"
        for what, names in found.items()
    ]


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
