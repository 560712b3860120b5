"""Every weight of a candidate held against the value that stands in the checkpoint, bit for bit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.criteria import NO_DIFFERENCE, Array, Difference, Measurement
from harness.signature import format_shape
from harness.weights.bits import difference
from harness.weights.explaining import Wrong, explain
from harness.weights.explanation import Explanation, Source


@dataclass(frozen=True, kw_only=True)
class Place:
    """A leaf of the candidate that stands where the reference reads a variable.

    `reference` is the variable's name, or that of the constant in a frozen reference; `candidate`
    the name of the constant or variable. `where` says for messages what reads it: "read by
    conv2/BiasAdd".
    """

    reference: str
    candidate: str
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Unconverted:
    """A variable that an exporter left in the candidate, and its op; "" off the outputs' path."""

    name: str
    op: str = ""


@dataclass(frozen=True, kw_only=True)
class WrongValue:
    """A place in which the candidate holds something else than the reference."""

    place: Place
    difference: Difference
    nbytes: int
    is_right_elsewhere: bool = False
    """Whether the variable has its own value in other places."""
    explanation: Explanation | None = None


@dataclass(frozen=True, kw_only=True)
class WeightsResult:
    """What comparing the weights has found.

    `variables` counts those of the reference on the path, `places` where they stand in the
    candidate; `compared_bytes` is how much of the candidate was read. `wrong` are in the order of
    the places.
    """

    variables: int
    places: int
    compared_bytes: int
    measured: Measurement = NO_DIFFERENCE
    wrong: tuple[WrongValue, ...] = ()
    missing: tuple[str, ...] = ()
    """A sentence on each variable without a place."""
    unconverted: tuple[Unconverted, ...] = ()
    strays: tuple[str, ...] = ()
    """A sentence on each constant that stands for no variable."""

    @property
    def passed(self) -> bool:
        """Whether every variable has a place, and every place its variable's value."""
        return not (self.wrong or self.missing or self.unconverted or self.strays)


def compare_weights(
    places: Sequence[Place],
    *,
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    expected: Collection[str],
    why_missing: Mapping[str, str] | None = None,
    unconverted: Sequence[Unconverted] = (),
    strays: Sequence[str] = (),
    sources: Sequence[Source] = (),
) -> WeightsResult:
    """Hold each place of the candidate against the reference, one pair of tensors at a time.

    `expected` are all variables that the reference reads on the path: one without a place is a
    fault, for which `why_missing` has words ("BiasAdd missing before prediction"). `strays` are
    constants of the candidate that stand for no variable. `sources` give values by which to
    explain those that are wrong.

    Raises:
        KeyError: a place names what `reference` or `candidate` does not hold.
        BrokenModel: a value cannot be read.
        ValueError: a place stands for a variable that is not `expected`.
    """
    by_variable: dict[str, dict[str, list[Place]]] = {}
    for place in places:
        by_variable.setdefault(place.reference, {}).setdefault(place.candidate, []).append(place)
    known = set(expected)
    unknown = [name for name in by_variable if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]} has a place and is no variable that is expected to")
    compared_bytes, measured = 0, NO_DIFFERENCE
    wrong: dict[Place, WrongValue] = {}
    for variable, leaves in by_variable.items():
        value = reference[variable]
        differing: dict[str, Difference] = {}
        for leaf in leaves:
            actual = candidate[leaf]
            compared_bytes += actual.nbytes
            found = difference(value, actual)
            if found is not None:
                differing[leaf] = found
        for leaf, found in differing.items():
            measured = measured.widened(found.measured)
            for place in leaves[leaf]:
                wrong[place] = WrongValue(
                    place=place,
                    difference=found,
                    nbytes=value.nbytes,
                    is_right_elsewhere=len(differing) < len(leaves),
                )
    return WeightsResult(
        variables=len(known),
        places=len(places),
        compared_bytes=compared_bytes,
        measured=measured,
        wrong=_explained(
            [wrong[place] for place in dict.fromkeys(places) if place in wrong],
            reference=reference,
            candidate=candidate,
            sources=sources,
        ),
        missing=tuple(
            _missing(name, (why_missing or {}).get(name, ""))
            for name in dict.fromkeys(expected)
            if name not in by_variable
        ),
        unconverted=tuple(unconverted),
        strays=tuple(_stray(name, candidate[name]) for name in dict.fromkeys(strays)),
    )


def _explained(
    wrong: Sequence[WrongValue],
    *,
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    sources: Sequence[Source],
) -> tuple[WrongValue, ...]:
    found = explain(
        {
            (w.place.reference, w.place.candidate): Wrong(difference=w.difference, nbytes=w.nbytes)
            for w in wrong
        },
        reference=reference,
        candidate=candidate,
        sources=sources,
    )
    return tuple(
        replace(each, explanation=found.get((each.place.reference, each.place.candidate)))
        for each in wrong
    )


def _missing(name: str, why: str) -> str:
    return f"{name} has no place in the candidate{f': {why}' if why else ''}"


def _stray(name: str, value: Array) -> str:
    shape = format_shape(value.shape)
    dtype = "string" if value.dtype == object else str(value.dtype)
    return f"the constant {name} {dtype} {shape} stands for no variable"
