"""What a reference's outputs do not depend on, though the graph says that they could.

Agreement of outputs says nothing of an input or a variable that moves none of them. The reference
is run on a few of the examples that it accepted, with another value for one input or one variable
at a time; what was not decided in time is not spoken of.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from harness.batch_mates import batch_warning
from harness.conditioning import is_extreme
from harness.criteria import Array, is_inexact, numbers_of
from harness.domain import Domain, Phase
from harness.errors import FreezeproofError
from harness.exchanging import groups_of, ignored_warning, is_ignored
from harness.graph.batch_norm import training_batch_norms
from harness.graph.branches import Branches
from harness.graph.connections import Connections, connections
from harness.graph.last_ops import LastOp, remedy, saturable
from harness.graph.randomness import random_ops
from harness.graph.reading.flat import FlatGraph
from harness.inputs.completing import completed
from harness.memo import Feeds, digest
from harness.models.model import Model
from harness.ordinary import Example, is_ordinary, is_same, size_of
from harness.perturbing import dead_variables, dead_warning
from harness.runners import REFERENCE, Runners
from harness.runtime import Mode
from harness.verdict import ModelWarning

PERTURBED = "perturbed"
"""The reference in a session of its own, whose variables take other values: a key of `Runners`."""

MOST_EXAMPLES = 8
MOST_BYTES = 16 * 2**20
"""Of the feeds and outputs of one example that is kept."""

MOST_ELEMENTS = 128 * 2**20
"""Of all variables, which are held a second time to be changed; of a larger model none is."""

LONGEST = 10.0
SHORTEST = 2.0
_SHARE = 0.25
"""How long it may all take, in seconds: this share of what the examples themselves took."""

_FEWEST_SATURATED = 3
_FEWEST_EXAMPLES = 2


class Influence:
    """Looks at examples as they are accepted; says at the end what has no influence."""

    def __init__(self, model: Model, domains: Mapping[str, Domain], runners: Runners) -> None:
        """Look at `model`, whose inputs have `domains`; nothing is opened yet."""
        self._model = model
        self._stated = domains
        self._runners = runners
        self._began: float | None = None
        self._examples: dict[bytes, Example] = {}
        self._unsaturated: set[str] = set()
        self._found: tuple[ModelWarning, ...] | None = None

    def look(self, feeds: Feeds, outputs: Mapping[str, Array]) -> None:
        """Take note of feeds that were accepted, and of the reference's strict outputs."""
        if self._found is not None:
            return
        if self._began is None:
            self._began = time.perf_counter()
        if len(self._unsaturated) < len(self._saturable) and not is_extreme(feeds):
            self._look_for_saturation(outputs)
        if len(self._examples) < MOST_EXAMPLES:
            example = Example(feeds=feeds, outputs=outputs)
            if size_of(example) <= MOST_BYTES and is_ordinary(example):
                self._examples.setdefault(digest(feeds), example)

    def warnings(self) -> tuple[ModelWarning, ...]:
        """Warn of what has no influence; computed once, when the examples have been looked at."""
        if self._found is None:
            elapsed = 0.0 if self._began is None else time.perf_counter() - self._began
            stop_at = time.perf_counter() + min(LONGEST, max(SHORTEST, _SHARE * elapsed))
            self._found = tuple(self._warnings(stop_at))
            self._examples.clear()
        return self._found

    def _warnings(self, stop_at: float) -> Iterator[ModelWarning]:
        model = self._model
        for end in self._saturated:
            yield _saturation_warning(end, remedy(end, model.graph_def, model.signature))
        examples = list(self._examples.values())
        if len(examples) < _FEWEST_EXAMPLES or _is_constant(examples):
            return  # that the outputs are always the same is another warning
        runner = self._runners.runner(REFERENCE, model, Mode.STRICT)
        for group in groups_of(self._domains, self._connections.inputs):
            if is_ignored(runner, group, examples, stop_at=stop_at):
                yield ignored_warning(group)
        if not self._normalises_by_the_batch and not random_ops(model.graph_def):
            found = batch_warning(runner, domains=self._domains, examples=examples, stop_at=stop_at)
            if found is not None:
                yield found
        dead = self._dead_variables(examples, stop_at)
        if dead:
            yield dead_warning(dead)

    def _dead_variables(self, examples: Sequence[Example], stop_at: float) -> list[str]:
        model = self._model
        # A session whose random ops are streams is opened anew for each run, with its own values.
        if random_ops(model.graph_def) or not self._connections.variables:
            return []
        if time.perf_counter() > stop_at or _elements(model) > MOST_ELEMENTS:
            return []
        runner = self._runners.runner(PERTURBED, model, Mode.STRICT)
        names = self._connections.variables
        try:
            return dead_variables(runner, model.weights, names, examples, stop_at=stop_at)
        except FreezeproofError:
            return []  # what the reference can do, and this session cannot, is no finding
        finally:
            self._runners.close(PERTURBED)

    @cached_property
    def _flat(self) -> FlatGraph:
        return FlatGraph(self._model.graph_def, self._model.signature)

    @cached_property
    def _branches(self) -> Branches:
        return Branches(self._flat, self._phases)

    @cached_property
    def _domains(self) -> dict[str, Domain]:
        return completed(self._model.signature, self._stated)

    @property
    def _phases(self) -> dict[str, bool]:
        """The flags of training, as they are fed."""
        phases = {name: domain.values for name, domain in self._domains.items()}
        return {
            name: phase.inference
            for name, phase in phases.items()
            if isinstance(phase, Phase) and isinstance(phase.inference, bool)
        }

    @cached_property
    def _saturable(self) -> dict[str, LastOp]:
        ends = {
            spec.name: saturable(self._flat, spec.name) for spec in self._model.signature.outputs
        }
        return {name: end for name, end in ends.items() if end is not None}

    def _look_for_saturation(self, outputs: Mapping[str, Array]) -> None:
        for name, end in self._saturable.items():
            value = outputs[name]
            is_float = is_inexact(value.dtype)
            if value.size and not (is_float and _is_saturated(value, end)):
                self._unsaturated.add(name)

    @cached_property
    def _saturated(self) -> list[LastOp]:
        if len(self._examples) < _FEWEST_SATURATED:
            return []
        return [end for name, end in self._saturable.items() if name not in self._unsaturated]

    @property
    def _normalises_by_the_batch(self) -> bool:
        names = self._model.signature.output_names
        return bool(training_batch_norms(self._flat, self._branches, names))

    @cached_property
    def _connections(self) -> Connections:
        """What must show in an output that is not saturated."""
        model = self._model
        saturated = {end.output for end in self._saturated}
        telling = [name for name in model.signature.output_names if name not in saturated]
        return connections(
            self._flat,
            self._branches,
            telling,
            variables=model.variables,
            phases=self._phases,
        )


def _elements(model: Model) -> int:
    return sum(math.prod(size or 0 for size in each.shape or ()) for each in model.variables)


def _is_constant(examples: Sequence[Example]) -> bool:
    """Say whether all elements of each output are one value in all examples."""
    first = examples[0].outputs
    return all(
        is_same(np.broadcast_to(first[name].reshape(-1)[:1], value.size), value.reshape(-1))
        for example in examples
        for name, value in example.outputs.items()
    )


def _is_saturated(value: Array, end: LastOp) -> bool:
    numbers = numbers_of(value)
    levels = np.array(end.levels, np.float64).astype(numbers.dtype)
    return bool((numbers[:, np.newaxis] == levels).any(axis=1).all())


def _saturation_warning(end: LastOp, remedy: str) -> ModelWarning:
    levels = " or ".join(f"{level:g}" for level in end.levels)
    return ModelWarning(
        code="saturated_output",
        message=(
            f"every element of {end.output} was {levels} in every example: {end.node} ({end.op}) "
            f"is saturated, and outputs alone hide most errors of the weights; {remedy}"
        ),
        nodes=(end.output,),
    )
