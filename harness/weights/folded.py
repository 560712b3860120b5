"""Tensors that depend on no input and are made otherwise in the candidate: only values decide.

A converter computes such a tensor once and stores what comes out; that is right up to rounding. A
constant that is put together from 8 bits when the graph runs is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.criteria import NO_DIFFERENCE, Array, Close, Difference, Measurement, compare
from harness.errors import FreezeproofError
from harness.weights.bits import difference, plain
from harness.weights.explaining import derivation
from harness.weights.explanation import Explanation

FOLDING = Close(rtol=1e-6)
"""How closely a constant must be what the reference computes: TensorFlow's kernels may differ."""
_STORED = "Dequantize"


@dataclass(frozen=True, kw_only=True)
class FoldedPair:
    """Tensors in one place, by their names in the main graphs.

    `name` is what messages call it, the weight or node that the reference has there, and `op` the
    candidate's op.
    """

    reference: str
    candidate: str
    name: str
    op: str = ""


@dataclass(frozen=True, kw_only=True)
class WrongFolding:
    """A pair whose values differ, or (with `why`) could not be compared."""

    pair: FoldedPair
    difference: Difference | None = None
    explanation: Explanation | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class FoldedResult:
    """What comparing the values has found: of `compared` pairs, `rounded` differ by rounding."""

    compared: int
    rounded: int
    measured: Measurement = NO_DIFFERENCE
    wrong: tuple[WrongFolding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every pair was compared and agrees."""
        return not self.wrong


def compare_folded(
    pairs: Sequence[FoldedPair],
    *,
    reference_value: Callable[[str], Array],
    candidate_value: Callable[[str], Array],
) -> FoldedResult:
    """Hold the values of each pair against each other, one pair at a time.

    A value that cannot be computed (a `FreezeproofError`) is a fault: nothing is known of it then.
    """
    compared = rounded = 0
    measured, wrong = NO_DIFFERENCE, []
    for pair in pairs:
        try:
            expected = plain(reference_value(pair.reference))
            actual = plain(candidate_value(pair.candidate))
        except FreezeproofError as error:
            wrong.append(WrongFolding(pair=pair, why=str(error)))
            continue
        compared += 1
        found = difference(expected, actual)
        if found is None:
            continue
        measured = measured.widened(found.measured)
        if found.index is not None and compare(expected, actual, criterion=FOLDING) is None:
            rounded += 1
            continue
        wrong.append(
            WrongFolding(pair=pair, difference=found, explanation=derivation(expected, actual))
        )
    return FoldedResult(compared=compared, rounded=rounded, measured=measured, wrong=tuple(wrong))


def folded_reason(result: FoldedResult) -> str:
    """Return why the values are not the reference's; "" where they are."""
    told = [_told(each, result) for each in _first_of_each_kind(result.wrong)]
    return " · ".join(told)


def _first_of_each_kind(wrong: Sequence[WrongFolding]) -> list[WrongFolding]:
    first: dict[str, WrongFolding] = {}
    for each in wrong:
        first.setdefault(_kind(each), each)
    return list(first.values())


def _kind(wrong: WrongFolding) -> str:
    if wrong.difference is None:
        return "not compared"
    stored = wrong.pair.op == _STORED
    return f"{stored} {wrong.explanation.kind if wrong.explanation and not stored else ''}"


def _told(first: WrongFolding, result: FoldedResult) -> str:
    alike = [each for each in result.wrong if _kind(each) == _kind(first)]
    name = first.pair.name
    if first.difference is None:
        more = f", nor could {len(alike) - 1} more" if len(alike) > 1 else ""
        return f"{name} could not be compared: {first.why}{more}"
    if first.pair.op == _STORED:
        many, one = "are stored in 8 bits (Dequantize)", "is stored in 8 bits (Dequantize)"
    elif first.explanation is not None:
        many, one = first.explanation.many, first.explanation.one
    else:
        many, one = "differ", ""
    if len(alike) > 1:
        shown = "; ".join(first.difference.describe(name).rsplit(" (", 1)).removesuffix(")")
        return f"{len(alike)} weights {many} (first {shown})"
    if one and first.difference.index is not None:
        found = first.difference
        return (
            f"{name} {one} ({found.mismatched:,} of {found.total:,} elements differ, "
            f"largest {found.measured.max_abs:.1e})"
        )
    return f"{name} {one}" if one else first.difference.describe(name)
