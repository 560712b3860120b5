"""What was found wrong with the weights, as one sentence; and in a few words beside another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.criteria import Difference
from harness.errors import listed
from harness.weights.comparing import Unconverted, WeightsResult, WrongValue
from harness.weights.explanation import possessive

_TOLD = 3


def reason(result: WeightsResult) -> str:
    """Return why the weights are not the reference's; "" where they are."""
    parts = [
        *([_unconverted(result.unconverted)] if result.unconverted else []),
        *_wrong_values(result),
        *_first(result.missing),
        *_first(result.strays),
    ]
    return " · ".join(parts)


def in_short(result: WeightsResult) -> str:
    """Return "conv2/bias holds model.ckpt-200's value", or "" where all values are right."""
    wrong = _by_variable(result.wrong)
    if not wrong:
        return ""
    if len(wrong) == 2 and _are_exchanged(*wrong):
        return _exchanged(*wrong)
    first = wrong[0]
    if len(wrong) > 1 and first.explanation is not None and _are_alike(wrong):
        many = first.explanation.many_short or first.explanation.many
        return f"{_all_of(wrong, result)} {many}"
    if first.explanation is not None:
        return f"{first.place.reference} {first.explanation.short}{_more(wrong[1:])}"
    return f"{first.place.reference} {_short(first.difference)}{_more(wrong[1:])}"


def _short(found: Difference) -> str:
    if found.index is None:
        return f"is {found.actual}, not {found.expected}"
    return f"differs in {found.mismatched:,} of {found.total:,} elements"


def _unconverted(left: Sequence[Unconverted]) -> str:
    on_path = [variable for variable in left if variable.op]
    if not on_path:
        names = listed([variable.name for variable in left])
        return f"{names} left unconverted, off the path to the outputs: the .pb is not frozen"
    names = listed([variable.name for variable in on_path])
    ops = ", ".join(dict.fromkeys(variable.op for variable in on_path))
    them = "them" if len(on_path) > 1 else "it"
    return f"{names} ({ops}) left unconverted: the .pb holds no value for {them} and cannot run"


def _wrong_values(result: WeightsResult) -> list[str]:
    wrong = _by_variable(result.wrong)
    if not wrong:
        return []
    if len(wrong) == 2 and _are_exchanged(*wrong):
        return [f"{_exchanged(*wrong)}{_how_much(wrong[0].difference)}"]
    kind, count = _most_common(wrong)
    alike = [each for each in wrong if each.explanation and each.explanation.kind == kind]
    if count < 2 or count * 2 < len(wrong):
        return [f"{_alone(wrong[0])}{_more(wrong[1:])}{_kinds(wrong[1:])}"]
    rest = [each for each in wrong if each not in alike]
    explanation = alike[0].explanation
    assert explanation is not None
    follows = explanation.concludes if count * 2 > result.variables else ""
    first = "; ".join(alike[0].difference.describe(alike[0].place.reference).rsplit(" (", 1))
    text = (
        f"{_all_of(alike, result)} {explanation.many}{f': {follows}' if follows else ''} "
        f"(first {first.removesuffix(')')})"
    )
    return [text, *([f"{_alone(rest[0])}{_more(rest[1:])}"] if rest else [])]


def _alone(wrong: WrongValue) -> str:
    name = wrong.place.reference
    if wrong.explanation is None:
        return f"{wrong.difference.describe(name)}{_where(wrong)}"
    return f"{name} {wrong.explanation.one}{_how_much(wrong.difference)}{_where(wrong)}"


def _where(wrong: WrongValue) -> str:
    """Return in which place a variable is wrong that is right in others."""
    if not wrong.is_right_elsewhere:
        return ""
    place = wrong.place
    return f" in {place.candidate}{f', {place.where}' if place.where else ''}"


def _how_much(found: Difference) -> str:
    if found.index is None:
        return ""
    largest = f", largest {found.measured.max_abs:.1e}" if found.measured.max_abs else ""
    return f" ({found.mismatched:,} of {found.total:,} elements differ{largest})"


def _kinds(rest: Sequence[WrongValue]) -> str:
    """Return ": 3 hold their moving averages, …", for those of which something is known."""
    counts = Counter(each.explanation.kind for each in rest if each.explanation)
    by_kind = {e.explanation.kind: e.explanation for e in rest if e.explanation}
    told = [
        f"{count} {by_kind[kind].many}" for kind, count in counts.most_common(_TOLD) if count > 1
    ]
    return f": {'; '.join(told)}" if told else ""


def _more(rest: Sequence[WrongValue]) -> str:
    if not rest:
        return ""
    return f", and {len(rest)} more variables differ" if len(rest) > 1 else ", and 1 more differs"


def _all_of(alike: Sequence[WrongValue], result: WeightsResult) -> str:
    if len(alike) == result.variables:
        return f"all {len(alike)} variables" if len(alike) > 2 else "both variables"
    return f"{len(alike)} of {result.variables} variables"


def _most_common(wrong: Sequence[WrongValue]) -> tuple[str, int]:
    counts = Counter(each.explanation.kind for each in wrong if each.explanation)
    return counts.most_common(1)[0] if counts else ("", 0)


def _exchanged(one: WrongValue, other: WrongValue) -> str:
    first, second = one.place.reference, other.place.reference
    return f"{first} holds {possessive(second)} value, and {second} {possessive(first)}"


def _are_alike(wrong: Sequence[WrongValue]) -> bool:
    return len({each.explanation.kind if each.explanation else "" for each in wrong}) == 1


def _are_exchanged(one: WrongValue, other: WrongValue) -> bool:
    return (
        one.explanation is not None
        and other.explanation is not None
        and one.explanation.partner == other.place.reference
        and other.explanation.partner == one.place.reference
    )


def _by_variable(wrong: Sequence[WrongValue]) -> list[WrongValue]:
    """Return the first wrong place of each variable."""
    return list({each.place.reference: each for each in reversed(wrong)}.values())[::-1]


def _first(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - _TOLD
    return [*sentences[:_TOLD], *([f"and {more} more like it"] if more > 0 else [])]
