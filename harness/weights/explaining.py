"""What a wrong value is: sought among other values and among what is made of the right one.

Runs where something differs alone. At most four tensors are held at a time: the wrong value, the
right one, another that it may be, and a copy of one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.criteria import Array, Difference
from harness.weights.arrangements import rearranged
from harness.weights.bits import plain
from harness.weights.explanation import Explanation, Source
from harness.weights.roundings import rounded

_MOST_DERIVED_BYTES = 2**31
"""Of wrong values that are held against what can be made of the right ones."""

Leaf = tuple[str, str]
"""A variable's name, and that of the constant in its place."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """How a value differs, and the size of the right one."""

    difference: Difference
    nbytes: int


def explain(
    wrong: Mapping[Leaf, Wrong],
    *,
    reference: Mapping[str, Array],
    candidate: Mapping[str, Array],
    sources: Sequence[Source],
) -> dict[Leaf, Explanation]:
    """Return an explanation for each wrong value that one fits bit for bit.

    The first of `sources` that explains a value goes before the others, and these before what is
    made of the right value. Where a source has several explanations, as of checkpoints that share
    the value, the one is taken that explains most of the other values as well. Small values are
    looked at first: they tell a source where to look for the large ones.
    """
    fits: dict[Leaf, Sequence[Explanation]] = {}
    left = _MOST_DERIVED_BYTES
    for leaf in sorted(wrong, key=lambda leaf: wrong[leaf].nbytes):
        name, constant = leaf
        right, given = plain(reference[name]), plain(candidate[constant])
        found: Sequence[Explanation] = ()
        if right.dtype == given.dtype and right.shape == given.shape:
            found = _from(sources, name, right, given)
        if not found and left >= given.nbytes:
            left -= given.nbytes
            derived = derivation(right, given)
            found = () if derived is None else (derived,)
        if found:
            fits[leaf] = found
    votes = Counter(e.kind for found in fits.values() for e in found)
    return {
        leaf: max(found, key=lambda explanation: votes[explanation.kind])
        for leaf, found in fits.items()
    }


def derivation(right: Array, given: Array) -> Explanation | None:
    """Return what was done to the right value to make the wrong one, if it can be told."""
    return rounded(right, given) or rearranged(right, given)


def _from(
    sources: Sequence[Source], name: str, right: Array, given: Array
) -> Sequence[Explanation]:
    for source in sources:
        found = source.explanations(name, right, given)
        if found:
            return found
    return ()
