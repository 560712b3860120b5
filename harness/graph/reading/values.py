"""What values each input accepts, read off the nodes that they come to; no kernel runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import tensor_util

from harness.domain import (
    Axis,
    Choices,
    Domain,
    Examples,
    Lengths,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Records,
    SizeOf,
    Sounds,
    Value,
    Values,
)
from harness.graph.reading.amounts import few_where_they_are_amounts
from harness.graph.reading.flat import Array, FlatGraph
from harness.graph.reading.following import Number, uses
from harness.graph.reading.rules import arguments, ids, landmarks, lengths, phases, shapes, strings
from harness.graph.reading.rules.finding import Finding, Limits, Rule, Subject
from harness.graph.reading.rules.sparse import Triple, triples
from harness.signature import Shape, Signature
from harness.tensor_names import node_name

DomainShape = tuple[int | Axis | None, ...]

_MOST_LANDMARKS = 16
_DEEPEST = 4
"""What is decoded may be decoded once more, and in a loop for ever."""
_LONGEST_WAY = 20
_UNBOUNDED = 1000
"""How far a range goes beyond its one bound."""

_TABLE: dict[str, tuple[Rule, ...]] = {}
for _module in (ids, phases, strings, lengths, arguments, landmarks, shapes):
    for _op, _rule in _module.RULES:
        _TABLE[_op] = (*_TABLE.get(_op, ()), _rule)

# Where several kinds of values are found, the first says most.
_ORDER = (Examples, Records, Pictures, Sounds, NumberTexts, SizeOf, Lengths, NewShape, Phase,
          Choices)  # fmt: skip


_OF_A_FIELD = (Range, Choices, Phase, Pictures, Sounds, NumberTexts)
"""The kinds of values that a field of a string may have: a feature, a column."""


def read_values(graph_def: graph_pb2.GraphDef, signature: Signature) -> dict[str, Domain]:
    """Return what each input of the extracted graph accepts; an empty domain where nobody says."""
    flat = FlatGraph(graph_def, signature)
    sparse = triples(flat)
    domains = {
        spec.name: _domain(_subject(flat, spec.name, spec.dtype, spec.shape))
        for spec in signature.inputs
    }
    for triple in sparse:
        _join(domains, triple)
    parts = {part for each in sparse for part in (each.indices, each.values, each.dense_shape)}
    return {
        name: domain if name in parts else few_where_they_are_amounts(flat, name, domain)
        for name, domain in domains.items()
    }


def defaults_of(graph_def: graph_pb2.GraphDef, names: Iterable[str]) -> dict[str, Domain]:
    """Return the domains of those inputs of a whole graph that have a default, of one value.

    In the extracted graph an input is a plain placeholder, and its default is gone.
    """
    nodes = {node.name: node for node in graph_def.node}
    found: dict[str, Domain] = {}
    for name in names:
        node = nodes.get(name)
        if node is None or node.op != "PlaceholderWithDefault":
            continue
        source = _default_of(node, nodes)
        default = None if source is None else _one_value(source)
        if default is not None:
            found[name] = Domain(default=default, read_from=name)
    return found


def _default_of(
    node: node_def_pb2.NodeDef, nodes: Mapping[str, node_def_pb2.NodeDef]
) -> Array | None:
    for _ in range(_LONGEST_WAY):
        source = nodes.get(node_name(node.input[0])) if node.input else None
        if source is None or source.op not in {"Const", "Identity"}:
            return None
        if source.op == "Const":
            value: Array = tensor_util.MakeNdarray(source.attr["value"].tensor)
            return value
        node = source
    return None


def _one_value(value: Array) -> Value | None:
    """Return what stands in every element; of a shape, not the -1 that stands for any size."""
    distinct = set(value.reshape(-1).tolist())
    is_open_shape = value.ndim == 1 and value.dtype.kind == "i" and -1 in distinct
    return distinct.pop() if len(distinct) == 1 and not is_open_shape else None


def _subject(
    flat: FlatGraph, tensor: str, dtype: str, shape: Shape | None, *, depth: int = 0
) -> Subject:
    def inside(decoded: str, dtype: str, shape: Shape | None) -> Values | None:
        if depth > _DEEPEST:
            return None
        values = _domain(_subject(flat, decoded, dtype, shape, depth=depth + 1)).values
        # The other kinds speak of other inputs, or of a whole one.
        return values if isinstance(values, _OF_A_FIELD) else None

    return Subject(flat=flat, tensor=tensor, dtype=dtype, shape=shape, inside=inside)


def _domain(subject: Subject) -> Domain:
    found = list(_findings(subject))
    domain = _shaped(_accepted(subject, found), subject, found)
    numbers = dict.fromkeys(number for each in found for number in each.landmarks)
    if domain.values is None or isinstance(domain.values, Range):
        inside = [number for number in numbers if _is_inside(number, domain.values)]
        source = next((each.node for each in found if each.landmarks), "")
        if inside:
            domain = replace(
                domain,
                landmarks=tuple(inside[:_MOST_LANDMARKS]),
                read_from=domain.read_from or source,
            )
    return domain


def _shaped(domain: Domain, subject: Subject, found: list[Finding]) -> Domain:
    """Return the domain with what is said of an unknown rank, unless it has a shape."""
    if (
        subject.shape is not None
        or domain.shape is not None
        or subject.tensor not in subject.flat.inputs
    ):
        return domain
    said = [each for each in found if each.shape is not None] or list(shapes.of_least_rank(subject))
    if not said:
        return domain
    return replace(domain, shape=said[0].shape, read_from=domain.read_from or said[0].node)


def _findings(subject: Subject) -> Iterator[Finding]:
    for use in uses(subject.flat, subject.tensor):
        for rule in _TABLE.get(use.node.op, ()):
            yield from rule(subject, use)


def _accepted(subject: Subject, found: list[Finding]) -> Domain:
    """Return what all findings together say of the values."""
    for kind in _ORDER:
        alike = [each for each in found if isinstance(each.values, kind)]
        if alike:
            values = alike[0].values
            assert not isinstance(values, Limits)
            if kind is Pictures:
                values = _all_formats([e.values for e in alike if isinstance(e.values, Pictures)])
            shape = next((each.shape for each in alike if each.shape is not None), None)
            return Domain(values=values, shape=_news(subject, shape), read_from=alike[0].node)
    return _range(subject, [each for each in found if isinstance(each.values, Limits)])


def _range(subject: Subject, found: list[Finding]) -> Domain:
    low: Number | None = None
    high: Number | None = None
    node, shape = "", None
    for each in found:
        limits = each.values
        assert isinstance(limits, Limits)
        lower = _of(max, low, limits.low)
        upper = _of(min, high, limits.high)
        if lower is not None and upper is not None and lower > upper:
            continue  # two readers that contradict each other: what was said first stands
        if (lower, upper) != (low, high):
            node = each.node
        low, high, shape = lower, upper, shape or each.shape
    if (low is None and high is None) or not (subject.is_whole_number or subject.is_float):
        return Domain()
    if low is None or high is None:
        low, high = _bounded(low, high)
    dtype = tf.dtypes.as_dtype(subject.dtype)
    low, high = max(low, dtype.min), min(high, dtype.max)
    if low > high:
        return Domain()
    kind = int if subject.is_whole_number else float
    values = Range(low=kind(low), high=kind(high))
    return Domain(values=values, shape=_news(subject, shape), read_from=node)


def _of(
    choose: Callable[[Number, Number], Number], one: Number | None, other: Number | None
) -> Number | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def _bounded(low: Number | None, high: Number | None) -> tuple[Number, Number]:
    if low is None:
        most = 0 if high is None else high
        return min(most, 0) - _UNBOUNDED, most
    return low, max(low, 0) + _UNBOUNDED


def _is_inside(number: Number, values: Values | None) -> bool:
    return not isinstance(values, Range) or values.low <= number <= values.high


def _news(subject: Subject, shape: DomainShape | None) -> DomainShape | None:
    """Return a shape that is found, unless the signature says as much."""
    return None if shape == subject.shape else shape


def _all_formats(pictures: list[Pictures]) -> Pictures:
    """Return what decoders of one input accept that lie in branches: each decodes its format.

    Those that decode still pictures decode each other's formats too; a film has a dimension more.
    """
    formats = dict.fromkeys(name for each in pictures for name in each.formats)
    still = tuple(name for name in formats if name in {"png", "jpeg"})
    stated = next((each for each in pictures if each != Pictures(formats=each.formats)), None)
    return replace(stated or pictures[0], formats=still or tuple(formats))


def _join(domains: dict[str, Domain], triple: Triple) -> None:
    domains[triple.indices] = Domain(values=triple.as_domain_values(), read_from=triple.node)
    if triple.dense_shape:
        domains[triple.dense_shape] = Domain()
