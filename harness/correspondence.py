"""What in a candidate stands for what in the reference, and whether it is the same.

No session runs. Both graphs are taken in normal form and matched from the outputs up: that is
`structure`. A constant of the candidate is held against the value of the variable in whose place it
stands: that is `weights`. Where both are the same, the candidate is proved to be the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.collector import collector_paused
from harness.criteria import Array
from harness.errors import listed
from harness.graph.normal.form import normal_form
from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.edits import Matching
from harness.graph.structure.kinds import VARIABLE, is_large
from harness.graph.structure.matching import match
from harness.models.folded_values import value_of
from harness.models.model import Model
from harness.weights.bits import same
from harness.weights.comparing import Place, Unconverted, WeightsResult, compare_weights
from harness.weights.folded import FoldedPair, FoldedResult, compare_folded
from harness.weights.sources import sources_of

_TOLD = 3


def form_of(model: Model) -> NormalGraph:
    """Return the normal form of a model, between its inputs and outputs."""
    return normal_form(
        model.graph_def,
        inputs=model.signature.input_names,
        outputs=model.signature.output_names,
        constants=_Values(model),
    )


@dataclass(frozen=True, kw_only=True)
class NormalModel:
    """A model with its normal form."""

    model: Model
    form: NormalGraph

    @cached_property
    def values(self) -> Mapping[str, Array]:
        """The values of its variables and constants, each read when it is asked for."""
        return _Values(self.model)


class Correspondence:
    """A reference and a candidate, matched."""

    def __init__(self, reference: NormalModel, candidate: NormalModel) -> None:
        """Match the two graphs."""
        self._reference = reference
        self._candidate = candidate
        with collector_paused():  # objects by the hundred thousand, and few circles to be found
            self.matching: Matching = match(
                reference.form,
                candidate.form,
                same_constant=self._same_value,
                same_value=self._same_value,
                outputs=reference.model.signature.output_names,
            )

    def _same_value(self, one: Node, other: Node) -> bool:
        mine, its = self._reference.values, self._candidate.values
        known = _leaf(one) in mine and _leaf(other) in its
        return known and same(mine[_leaf(one)], its[_leaf(other)])

    @cached_property
    def same_nodes(self) -> Mapping[str, str]:
        """The nodes of the candidate that stand in the places of the reference's, by name."""
        return {
            self._reference.form.nodes[pair.reference].name: self._candidate.form.nodes[
                pair.candidate
            ].name
            for pair in self.matching.pairs
        }

    @property
    def difference(self) -> str:
        """How the candidate's graph differs, told as edits; "" where it does not."""
        edits = [*self._changed_defaults(), *(edit.text for edit in self.matching.edits)]
        more = f"; and {len(edits) - _TOLD} more differences" if len(edits) > _TOLD else ""
        return f"{'; '.join(edits[:_TOLD])}{more}"

    def _changed_defaults(self) -> Iterator[str]:
        """Tell the inputs that have another value where nothing is fed.

        Methods are given the graph with its inputs as plain placeholders: to have none is no edit.
        """
        ours, theirs = self._reference.model, self._candidate.model
        names = zip(ours.signature.input_names, theirs.signature.input_names, strict=True)
        for name, other in names:
            if name in ours.defaults and other in theirs.defaults:
                before, after = ours.defaults[name].default, theirs.defaults[other].default
                if before != after:
                    yield f"input {name}: its default, unless fed, {before!r} became {after!r}"

    @property
    def transforms(self) -> tuple[str, ...]:
        """What tools are known to do to a graph and did to this one, with the nodes meant."""
        return tuple(f"{t.kind} ({listed(t.nodes)})" for t in self.matching.transforms)

    @cached_property
    def weights(self) -> WeightsResult:
        """Every value of the candidate that stands for a weight, held against the reference's.

        Raises:
            BrokenModel: a value cannot be read.
        """
        places = list(self._places())
        reference, candidate = self._reference.form.nodes, self._candidate.form.nodes
        vanished = [_leaf(reference[index]) for index in self.matching.unmatched_reference]
        unconverted = self._unconverted
        left = {variable.name for variable in unconverted}
        return compare_weights(
            [place for place in places if place.candidate not in left],
            reference=self._reference.values,
            candidate=self._candidate.values,
            expected=[
                *(place.reference for place in places if place.candidate not in left),
                *vanished,
            ],
            why_missing=dict.fromkeys(vanished, self.difference),
            unconverted=unconverted,
            strays=[
                _leaf(candidate[index])
                for index in self.matching.unmatched_candidate
                if _leaf(candidate[index]) not in left
            ],
            sources=sources_of(self._reference.model),
        )

    @cached_property
    def folded(self) -> FoldedResult:
        """What the candidate holds the result of, held against what the reference computes."""
        return compare_folded(
            [
                FoldedPair(
                    reference=_tensor_name(self._reference.form, each.reference),
                    candidate=_tensor_name(self._candidate.form, each.candidate),
                    name=self._reference.form.nodes[each.reference[0]].name,
                    op=self._candidate.form.nodes[each.candidate[0]].op,
                )
                for each in self.matching.folded
            ],
            reference_value=lambda name: value_of(self._reference.model, [name])[name],
            candidate_value=lambda name: value_of(self._candidate.model, [name])[name],
        )

    @property
    def _unconverted(self) -> tuple[Unconverted, ...]:
        """The variables of a .pb; those of a SavedModel have their values beside it."""
        model = self._candidate.model
        if model.checkpoint_prefix is not None:
            return ()
        on_path = [Unconverted(name=v.name, op=v.op) for v in model.variables]
        off_path = [Unconverted(name=name) for name in model.variables_off_path]
        return (*on_path, *off_path)

    def _places(self) -> Iterator[Place]:
        reference, candidate = self._reference.form.nodes, self._candidate.form.nodes
        is_frozen = all(node.op != VARIABLE for node in reference)
        readers = _first_readers(reference)
        for pair in self.matching.leaves:
            node = reference[pair.reference]
            other = candidate[pair.candidate]
            # A SavedModel has variables that its graph does not give a value.
            is_variable = VARIABLE in {node.op, other.op}
            if is_variable or (is_frozen and is_large(node)):
                read_by = readers.get(pair.reference, "")
                yield Place(
                    reference=_leaf(node),
                    candidate=_leaf(other),
                    where=f"read by {read_by}" if read_by else "",
                )


class _Values(Mapping[str, Array]):
    """The weights of a model and the constants of its graph, by name."""

    def __init__(self, model: Model) -> None:
        # Of a .pb, variables that were left unconverted have no value.
        has_values = model.checkpoint_prefix is not None
        self._names = {v.name for v in model.variables} if has_values else set()
        self._variables = model.weights
        self._constants = model.constants

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._constants

    def __getitem__(self, name: str) -> Array:
        values = self._variables if name in self._names else self._constants
        return values[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._names
        yield from self._constants

    def __len__(self) -> int:
        return len(self._names) + len(self._constants)


def _tensor_name(form: NormalGraph, tensor: Tensor) -> str:
    index, output = tensor
    name = form.nodes[index].name
    return f"{name}:{output}" if output else name


def _leaf(node: Node) -> str:
    return node.variable or node.constant


def _first_readers(nodes: Sequence[Node]) -> dict[int, str]:
    """Return the name of the first node that reads each."""
    found: dict[int, str] = {}
    for node in nodes:
        for index, _ in node.inputs:
            found.setdefault(index, node.name)
    return found
