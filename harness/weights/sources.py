"""Other values that a variable may hold by mistake, and where they stand.

Each source reads a limited amount: a value is read whole only where a glance at it does not tell it
from what is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from harness.criteria import Array
from harness.graph.state import Variable
from harness.models.checkpoint import AVERAGE_SUFFIX
from harness.models.initial_values import InitialValues
from harness.models.model import Model
from harness.models.neighbours import SavedValues, neighbours, own_values
from harness.signature import shape_accepts
from harness.weights.bits import plain, same
from harness.weights.explanation import Explanation, Source, possessive

_MOST_READ = 2**32
"""Bytes that a source reads in all."""
_MOST_COMPUTED = 2**28
"""Bytes of values that are computed in vain."""


def sources_of(model: Model) -> tuple[Source, ...]:
    """Return what a variable of `model` may hold instead of its value, the likeliest first."""
    own = own_values(model)
    if own is None:
        return (OtherConstants(model.constants),)
    found: list[SourceOfVariables] = [Averages(own), Neighbours(model, neighbours(model))]
    if model.meta_path is not None:
        found.append(FirstValues(InitialValues(model.meta_path)))
    return (OfVariables(model, (*found, OtherVariables(model, own))),)


class SourceOfVariables(Protocol):
    """Values that a variable may have been given by mistake."""

    def explanations(
        self, variable: Variable, expected: Array, actual: Array
    ) -> Sequence[Explanation]:
        """Return what explains that `variable` has the value `actual`; mostly nothing."""


class OfVariables:
    """Sources that are asked of variables, the first that explains a value before the others.

    A constant of the reference may be wrong too, where the candidate has a variable in its place.
    """

    def __init__(self, model: Model, sources: Sequence[SourceOfVariables]) -> None:
        """Remember the model's variables by name."""
        self._variables = {variable.name: variable for variable in model.variables}
        self._sources = sources

    def explanations(self, name: str, expected: Array, actual: Array) -> Sequence[Explanation]:
        """Return what the first source says that explains the value."""
        variable = self._variables.get(name)
        if variable is not None:
            for source in self._sources:
                found = source.explanations(variable, expected, actual)
                if found:
                    return found
        return ()


class Averages:
    """The moving average where a variable's own value is meant, or the other way round."""

    def __init__(self, own: SavedValues) -> None:
        """Remember where the values stand."""
        self._own = own

    def explanations(
        self, variable: Variable, expected: Array, actual: Array
    ) -> Sequence[Explanation]:
        """Return the one explanation, if it fits."""
        del expected
        is_average = variable.key.endswith(AVERAGE_SUFFIX)
        other = replace(
            variable,
            key=variable.key.removesuffix(AVERAGE_SUFFIX)
            if is_average
            else variable.key + AVERAGE_SUFFIX,
        )
        if not _holds(self._own, other, actual):
            return ()
        return (_RAW_VALUE if is_average else _AVERAGE,)


_AVERAGE = Explanation(
    kind="moving average",
    one="holds its moving average, not its own value",
    many="hold their moving averages, not their own values",
    short="holds its moving average",
    concludes="give --moving-averages if the averages are meant",
)
_RAW_VALUE = Explanation(
    kind="raw value",
    one="holds its own value, not its moving average",
    many="hold their own values, not their moving averages",
    short="holds its own value, not its moving average",
    concludes="restore the averages before freezing, or leave out --moving-averages",
)


class Neighbours:
    """The same variable in the other checkpoints of the folder."""

    def __init__(self, model: Model, others: Sequence[SavedValues]) -> None:
        """Remember where the values stand."""
        self._own = model.path.name
        self._others = others
        self._read = 0

    def explanations(
        self, variable: Variable, expected: Array, actual: Array
    ) -> Sequence[Explanation]:
        """Return an explanation for each checkpoint that holds the value."""
        del expected
        found = []
        for saved in self._others:
            if not saved.may_be(variable, actual):
                continue
            if self._read + actual.nbytes > _MOST_READ:
                break
            self._read += actual.nbytes
            if _is(saved.value(variable), actual):
                found.append(self._of(saved.name))
        return found

    def _of(self, other: str) -> Explanation:
        right = self._own
        return Explanation(
            kind=f"checkpoint {other}",
            one=f"holds {possessive(other)} value, not {possessive(right)}",
            many=f"hold {possessive(other)} values, not {possessive(right)}",
            short=f"holds {possessive(other)} value",
            many_short=f"hold {possessive(other)} values",
            concludes=f"this .pb is of {other}, not {right}",
        )


class FirstValues:
    """What the graph's own initialisers give the variables."""

    def __init__(self, values: InitialValues) -> None:
        """Remember where the values come from."""
        self._values = values
        self._in_vain = 0

    def explanations(
        self, variable: Variable, expected: Array, actual: Array
    ) -> Sequence[Explanation]:
        """Return the one explanation, if it fits."""
        del expected
        if self._in_vain + actual.nbytes > _MOST_COMPUTED:
            return ()
        if _is(self._values.value(variable), actual):
            return (_INITIAL_VALUE,)
        self._in_vain += actual.nbytes
        return ()


_INITIAL_VALUE = Explanation(
    kind="initial value",
    one="holds its initial value, not the checkpoint's",
    many="hold their initial values, not the checkpoint's",
    short="holds its initial value",
    concludes="the graph was initialised and nothing was restored into it",
)


class OtherVariables:
    """The other variables on the path, then other tensors of the checkpoint, of one dtype."""

    def __init__(self, model: Model, own: SavedValues) -> None:
        """Remember where the values stand."""
        self._variables = model.variables
        self._own = own
        self._read = 0

    def explanations(
        self, variable: Variable, expected: Array, actual: Array
    ) -> Sequence[Explanation]:
        """Return the one explanation, if it fits; none for a value that is one number."""
        if _tells_nothing(actual):
            return ()
        for other, called in self._others(variable, expected.shape):
            if not self._own.may_be(other, actual):
                continue
            if self._read + actual.nbytes > _MOST_READ:
                return ()
            self._read += actual.nbytes
            if _is(self._own.value(other), actual):
                return (_other(called),)
        return ()

    def _others(self, variable: Variable, shape: tuple[int, ...]) -> Iterator[tuple[Variable, str]]:
        for other in self._variables:
            if other.name != variable.name and shape_accepts(other.shape, shape):
                yield other, other.name
        on_the_path = {other.key for other in self._variables}
        for key in self._own.keys_of(shape, variable.dtype):
            if key not in on_the_path:
                yield replace(variable, key=key, slice_spec=""), key


class OtherConstants:
    """Other constants of a frozen reference, of this dtype and shape."""

    def __init__(self, constants: Mapping[str, Array]) -> None:
        """Remember where the values stand."""
        self._constants = constants
        self._read = 0

    def explanations(self, name: str, expected: Array, actual: Array) -> Sequence[Explanation]:
        """Return the one explanation, if it fits; none for a value that is one number."""
        del expected
        if _tells_nothing(actual):
            return ()
        for other in self._constants:
            if other == name or self._read > _MOST_READ:
                continue
            value = self._constants[other]
            self._read += value.nbytes
            if _is(value, actual):
                return (_other(other),)
        return ()


def _other(name: str) -> Explanation:
    return Explanation(
        kind="another variable's value",
        one=f"holds {possessive(name)} value, not its own",
        many="hold the values of others",
        short=f"holds {possessive(name)} value",
        partner=name,
    )


def _holds(saved: SavedValues, variable: Variable, actual: Array) -> bool:
    return saved.may_be(variable, actual) and _is(saved.value(variable), actual)


def _is(value: Array | None, actual: Array) -> bool:
    return value is not None and same(plain(value), actual)


def _tells_nothing(value: Array) -> bool:
    """Say whether a value is found elsewhere by chance: all its elements are one number."""
    row = value.reshape(-1)
    return row.size < 2 or same(np.broadcast_to(row[:1], row.shape), row)
