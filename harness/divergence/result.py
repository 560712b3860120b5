"""The place where two models begin to differ, and the sentences on it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from harness.criteria import Difference
from harness.errors import listed

_FROZEN = frozenset({("ResourceGather", "GatherV2"), ("ResourceGatherNd", "GatherNd"),
                     ("VariableShape", "Shape"), ("ReadVariableOp", "Identity"),
                     ("StatefulPartitionedCall", "PartitionedCall"), ("If", "StatelessIf"),
                     ("While", "StatelessWhile"), ("Case", "StatelessCase")})  # fmt: skip
"""What freezing makes of an op that reads variables."""


class Place(enum.Enum):
    """What kind of place it is."""

    NODE = "node"
    WEIGHT = "weight"
    CONSTANT = "constant"
    INPUT = "input"
    LOOP = "loop"
    """Inside a V1 loop, of which nothing can be fetched: the node is the loop's Exit."""
    CALL = "call"
    """Inside the functions that the node calls."""
    AFTER = "after"
    """Not up to the node: there the search was cut short."""
    NOWHERE = "nowhere"
    """No tensor that both hold differs when it is fetched."""


def is_frozen_as(op: str, candidate_op: str) -> bool:
    """Say whether an op is that of the reference, or what freezing makes of it."""
    return op == candidate_op or (op, candidate_op) in _FROZEN


@dataclass(frozen=True, kw_only=True)
class Input:
    """A tensor that the node reads, by its name in the reference.

    `instead` is the tensor that the candidate's node reads in its place, if that is another one.
    """

    name: str
    agrees: bool
    instead: str = ""
    difference: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first node whose inputs agree, as far as they can be compared, and whose output differs.

    `changed` are attributes that the candidate has otherwise, `missing` the nodes before this one
    that it lacks, `added` those that it has instead. `confirmed` says whether the node computes
    otherwise when it is given the same on both sides, None where that cannot be tried.
    `vanishes_with` are the tensors beside which the output no longer differs: an optimiser of the
    runtime makes the difference. Where one side fails, `failure` says which and how, and there is
    no `difference`.
    """

    node: str
    place: Place
    op: str = ""
    candidate_op: str = ""
    attributes: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    output: int = 0
    difference: Difference | None = None
    failure: str = ""
    confirmed: bool | None = None
    vanishes_with: tuple[str, ...] = ()
    is_cut_short: bool = False

    def describe(self) -> str:
        """Return the part of a sentence: "first at conv2/BiasAdd"."""
        if self.place is Place.NOWHERE:
            return "at no tensor that can be fetched"
        if self.place is Place.AFTER:
            return f"after {self.node}" if self.node else "at a place that was not found in time"
        if self.vanishes_with:
            return (
                f"first at {self.node}, and not where {listed(self.vanishes_with)} is fetched too"
            )
        if self.place is Place.LOOP:
            return f"first inside the loop that ends at {self.node}"
        if self.place is Place.CALL:
            return f"first in the call {self.node}"
        return f"first at {self.node}"

    def explain(self) -> str:
        """Return all that is known of it, in one sentence, which begins as `describe`."""
        if self.place is Place.NOWHERE:
            return self.describe()
        if self.place is Place.AFTER:
            return f"{self.describe()}: looking for the place took too long"
        said = "; ".join(part for part in self._parts() if part)
        return f"{self.describe()}{self._kind()}: {said}"

    def _kind(self) -> str:
        if self.place in (Place.WEIGHT, Place.INPUT):
            return f" (the {self.place.value})"
        is_another = self.candidate_op and not is_frozen_as(self.op, self.candidate_op)
        other = (f"in the candidate {self.candidate_op}",) if is_another else ()
        return f" ({', '.join((self.op, *other, *self.attributes))})"

    def _parts(self) -> Iterator[str]:
        yield ", ".join((*self._said_of_inputs(), self._said_of_output()))
        if self.changed:
            yield ", ".join(self.changed)
        if self.missing:
            yield f"the candidate lacks {listed(self.missing)}"
        if self.added:
            yield f"the candidate has {listed(self.added)} before it"
        yield self._said_of_confirmation()
        if self.is_cut_short:
            yield "looking further took too long"

    def _said_of_inputs(self) -> Iterator[str]:
        agreeing = [i.instead or i.name for i in self.inputs if i.agrees]
        if agreeing:
            several = len(agreeing) > 1
            yield f"its input{'s'[:several]} {listed(agreeing)} agree{'s'[several:]}"
        for one in self.inputs:
            if one.agrees:
                continue
            if one.instead:
                value = f": {one.difference.describe('it')}" if one.difference else ""
                yield f"it reads {one.instead} in the place of {one.name}{value}"
            else:
                yield f"its input {one.name} differs"

    def _said_of_output(self) -> str:
        if self.difference is None:
            return self.failure
        is_value = self.place in (Place.WEIGHT, Place.CONSTANT)
        what = "its value" if is_value else f"its output{f' {self.output}' if self.output else ''}"
        return self.difference.describe(f"{what} " if self.difference.index else what)

    def _said_of_confirmation(self) -> str:
        if self.vanishes_with:
            return (
                f"fetching {listed(self.vanishes_with)} as well makes the difference vanish: the "
                f"runtime's optimiser makes it"
            )
        if self.confirmed is None:
            return ""
        if self.confirmed:
            return "given the same inputs it still differs"
        if any(one.instead and not one.agrees for one in self.inputs):
            return "given the right inputs it agrees"
        return "given the same inputs it agrees: the difference comes from elsewhere"
