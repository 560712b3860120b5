"""A node that does nothing may be left out; one that does something may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from harness.graph.normal.graph import NormalGraph, Tensor
from harness.graph.structure.matching import match
from tests.graph.structure.building import Builder, edits, matched

Build = Callable[[Builder, Tensor], Tensor]


def product(build: Build) -> NormalGraph:
    """What `build` makes of a product of 4 columns."""
    graph = Builder()
    x = graph.op("MatMul", "product", graph.input("x", shape=(None, 4)), graph.variable("w"))
    return graph.graph(graph.op("Relu", "out", build(graph, x)))


def plain(_: Builder, x: Tensor) -> Tensor:
    return x


def node(op: str, *constants: object, dtype: str = "int32", **attributes: int) -> Build:
    def build(graph: Builder, x: Tensor) -> Tensor:
        read = [graph.constant(f"c{n}", value, dtype=dtype) for n, value in enumerate(constants)]
        return graph.op(op, "node", x, *read, **attributes)

    return build


def number(op: str, value: object, *, first: bool = False) -> Build:
    def build(graph: Builder, x: Tensor) -> Tensor:
        constant = graph.constant("c", value)
        return graph.op(op, "node", *((constant, x) if first else (x, constant)))

    return build


def parts(count: int) -> Build:
    return lambda graph, x: graph.op(
        "Split", "node", graph.constant("axis", 1, dtype="int32"), x, num_split=count
    )


def chosen(condition: object) -> Build:
    return lambda graph, x: graph.op(
        "SelectV2", "node", graph.constant("c", condition, dtype="bool"), x, graph.variable("other")
    )


def reduced(op: str, start: int, limit: int) -> Build:
    def build(graph: Builder, x: Tensor) -> Tensor:
        read = [graph.constant(f"c{n}", v, dtype="int32") for n, v in enumerate((start, limit, 1))]
        return graph.op(op, "node", x, graph.op("Range", "range", *read))

    return build


def guarded(graph: Builder, x: Tensor) -> Tensor:
    guard = graph.op("Assert", "guard", x)
    return graph.op("Mul", "node", x, graph.constant("c", 1), guards=[guard])


@pytest.mark.parametrize(
    ("nothing", "something"),
    [
        (node("Transpose", [0, 1]), node("Transpose", [1, 0])),
        (node("Slice", [0, 0], [-1, -1]), node("Slice", [0, 1], [-1, -1])),
        (node("Slice", [0, 0], [-1, 4]), node("Slice", [0, 0], [-1, 3])),
        (node("Slice", [0, 0], [-1, -1]), node("Slice", [0, 0], [5, -1])),
        (node("Tile", [1, 1]), node("Tile", [1, 2])),
        (node("Reshape", [-1, 4]), node("Reshape", [-1, 2])),
        (node("Reshape", [-1, 4]), node("Reshape", [4, -1])),
        (node("Reshape", [-1, 4]), node("Reshape", [-1, 4, 1])),
        (node("Reshape", [-1, 4]), node("Reshape", [3, 4])),
        (node("Sum", np.zeros(0)), node("Sum", [0])),
        (reduced("All", 0, 0), reduced("All", 0, 1)),
        (number("AddV2", 0), number("AddV2", 1)),
        (number("AddV2", 0, first=True), number("AddV2", [[0], [0]])),
        (number("BiasAdd", [0] * 4), number("BiasAdd", [0, 0, 0, 1])),
        (number("Sub", 0), number("Sub", 0, first=True)),
        (number("Mul", 1), number("Mul", 0)),
        (number("Mul", 1, first=True), number("Mul", [1, 1, 1, 1])),
        (number("Mul", 1), number("Mul", [1])),
        (number("RealDiv", 1), number("RealDiv", 1, first=True)),
        (number("Pow", 1), number("Pow", 0)),
        (number("Pow", 1), number("Pow", 1, first=True)),
        (parts(1), parts(2)),
        (chosen(condition=True), chosen(condition=[True])),
        (chosen(condition=True), chosen(condition=False)),
        (number("Mul", 1), guarded),
    ],
)
def test_what_does_nothing_may_be_left_out(nothing: Build, something: Build) -> None:
    found = matched(product(nothing), product(plain))

    assert [(t.kind, t.nodes) for t in found.transforms] == [("constant folding", ("node",))]
    assert not found.edits
    assert not found.unmatched_reference
    assert edits(product(something), product(plain))


def test_one_of_several_nodes_may_be_left_out() -> None:
    def both(graph: Builder, x: Tensor) -> Tensor:
        turned = graph.op("Transpose", "turned", x, graph.constant("p", [1, 0], dtype="int32"))
        return node("Transpose", [0, 1])(graph, turned)

    def other(graph: Builder, x: Tensor) -> Tensor:
        return graph.op("Transpose", "turned", x, graph.constant("p", [1, 0], dtype="int32"))

    found = matched(product(both), product(other))

    assert [t.nodes for t in found.transforms] == [("node",)]
    assert not found.edits


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (number("Pow", 2), lambda g, x: g.op("Square", "s", x), True),
        (number("Pow", 0.5), lambda g, x: g.op("Sqrt", "s", x), True),
        (number("Pow", 3), lambda g, x: g.op("Square", "s", x), False),
        (number("Pow", [2, 2]), lambda g, x: g.op("Square", "s", x), False),
        (number("Pow", 2, first=True), lambda g, x: g.op("Square", "s", x), False),
        (node("Pack", axis=1), node("ExpandDims", 1), True),
        (node("Pack"), node("ExpandDims", 0), True),
        (node("Pack", axis=1), node("ExpandDims", 0), False),
        (node("Pack", 1, axis=1), node("ExpandDims", 1), False),
    ],
)
def test_another_op_may_give_the_same(before: Build, after: Build, *, is_same: bool) -> None:
    found = matched(product(before), product(after))

    assert bool(found.transforms) is is_same
    assert bool(found.edits) is not is_same


Factors = Sequence[tuple[str, object]]


def chained(*factors: tuple[str, object], dtype: str = "float32", name: str = "c") -> NormalGraph:
    """Numbers, or variables by their names, by which a product is scaled and moved in turn."""

    def build(graph: Builder, x: Tensor) -> Tensor:
        for place, (op, value) in enumerate(factors):
            if isinstance(value, str):
                read = graph.variable(value, shape=(4,))
            else:
                read = graph.constant(f"{name}{place}", value, dtype=dtype)
            turned = op.endswith("'")
            x = graph.op(op.strip("'"), f"n{place}", *((read, x) if turned else (x, read)))
        return x

    return product(build)


@pytest.mark.parametrize(
    ("before", "after", "other"),
    [
        ([("Mul", 2), ("RealDiv", 255)], [("Mul", 2 / 255)], [("Mul", 2.001 / 255)]),
        ([("RealDiv", 255), ("RealDiv", 0.5)], [("Mul", 2 / 255)], [("Mul", 1 / 255)]),
        ([("RealDiv", 255)], [("Mul", 1 / 255)], [("Mul", 255)]),
        ([("AddV2", 1), ("Sub", 0.5)], [("AddV2", 0.5)], [("AddV2", 1.5)]),
        ([("Sub", 0.5)], [("AddV2", -0.5)], [("AddV2", 0.5)]),
        ([("AddV2", 1), ("Sub'", 3)], [("Sub'", 2)], [("AddV2", 2)]),
        ([("Sub'", 3), ("Sub'", 5)], [("AddV2", 2)], [("AddV2", -2)]),
        ([("Mul", [1, 2, 3, 4]), ("Mul", 2)], [("Mul", [2, 4, 6, 8])], [("Mul", [2, 4, 6, 9])]),
        ([("Mul", [2, 2, 2, 2]), ("Mul", 2)], [("Mul", [4, 4, 4, 4])], [("Mul", 4)]),
        ([("BiasAdd", [1, 2, 3, 4]), ("AddV2", 2)], [("AddV2", [3, 4, 5, 6])],
         [("AddV2", [3, 4, 5, 5])]),
        ([("Mul", 2), ("RealDiv", 255), ("AddV2", 1), ("Sub", 2)],
         [("Mul", 2 / 255), ("AddV2", -1)], [("Mul", 2 / 255), ("AddV2", 1)]),
    ],
)  # fmt: skip
def test_what_constants_make_together_must_be_the_same(
    before: Factors, after: Factors, other: Factors
) -> None:
    reference = chained(*before)

    found = matched(reference, chained(*after, name="joined"))

    assert {t.kind for t in found.transforms} == {"constant folding"}
    assert not found.edits
    assert edits(reference, chained(*other, name="joined"))


def test_whole_numbers_are_not_joined() -> None:
    before = chained(("Mul", 2), ("Mul", 3), dtype="int32")

    assert edits(before, chained(("Mul", 5), dtype="int32", name="joined"))


def test_weights_may_go_into_one_constant_while_no_factor_keeps_its_value() -> None:
    reference = chained(("Mul", "g"), ("Mul", 0.5), ("AddV2", 1), ("AddV2", "b"))
    joined = chained(("Mul", [1, 2, 3, 4]), ("AddV2", [1, 2, 3, 4]), name="joined")
    left_out = chained(("Mul", "g"), ("AddV2", "b"))

    found = matched(reference, joined)

    assert [t.kind for t in found.transforms] == ["constant folding"]
    assert not found.edits
    assert not found.unmatched_reference
    assert len(edits(reference, left_out)) == 2


def test_constants_that_stayed_are_not_called_joined_below_a_change() -> None:
    def scaled(op: str) -> NormalGraph:
        return product(lambda graph, x: number("Mul", 3)(graph, graph.op(op, "act", x)))

    found = matched(scaled("Tanh"), scaled("Sigmoid"))

    assert [edit.text for edit in found.edits] == ["act (Tanh) became Sigmoid"]
    assert not found.transforms


def test_as_many_constants_of_unknown_values_are_not_joined_ones() -> None:
    found = matched(chained(("RealDiv", "g")), chained(("Mul", "h")))

    assert found.edits
    assert not found.transforms


def test_quotients_of_weights_may_become_one_product_below_a_sum() -> None:
    reference = chained(("Mul", "g"), ("RealDiv", 2), ("AddV2", 1), ("AddV2", "b"))

    found = matched(
        reference, chained(("Mul", [1, 2, 3, 4]), ("AddV2", [1, 2, 3, 4]), name="joined")
    )

    assert [t.nodes for t in found.transforms] == [("n3", "n2", "n1", "n0")]
    assert not found.edits


def test_weights_are_not_joined_above_another_op() -> None:
    def scaled(op: str, *names: str) -> NormalGraph:
        def build(graph: Builder, x: Tensor) -> Tensor:
            x = graph.op(op, "act", x)
            for name in names:
                x = graph.op("Mul", f"by_{name}", x, graph.variable(name, shape=(4,)))
            return x

        return product(build)

    found = matched(scaled("Tanh", "g", "h"), scaled("Sigmoid", "joined"))

    assert found.edits
    assert not found.transforms


def test_a_factor_that_kept_its_value_under_another_name_shows_that_one_was_left_out() -> None:
    reference = chained(("Mul", "g"), ("Mul", 0.5))
    candidate = chained(("Mul", "h"))

    def told(*, is_same: bool) -> list[str]:
        found = match(
            reference,
            candidate,
            same_constant=lambda *_: True,
            same_value=lambda one, other: is_same and (one.name, other.name) == ("g", "h"),
        )
        return [edit.text for edit in found.edits]

    assert told(is_same=True) == ["n1 (Mul) missing before out"]
    assert told(is_same=False) == []


def test_a_bias_along_another_axis_is_not_joined() -> None:
    def moved(value: object, name: str, *, more: bool) -> NormalGraph:
        def build(graph: Builder, x: Tensor) -> Tensor:
            bias = graph.constant(name, value)
            x = graph.op("BiasAdd", "bias", x, bias, data_format=b"NCHW")
            return number("AddV2", [1, 2, 3, 4])(graph, x) if more else x

        return product(build)

    reference = moved([1, 1, 1, 1], "bias", more=True)

    assert edits(reference, moved([2, 3, 4, 5], "joined", more=False))


def test_what_does_nothing_stays_where_it_stayed_below_a_change() -> None:
    def times_one(op: str) -> NormalGraph:
        return product(lambda graph, x: number("Mul", 1)(graph, graph.op(op, "act", x)))

    found = matched(times_one("Tanh"), times_one("Sigmoid"))

    assert [edit.text for edit in found.edits] == ["act (Tanh) became Sigmoid"]
    assert not found.transforms


def shaped(
    op: str, *sizes: int | None, read: Build | None = None
) -> tuple[NormalGraph, NormalGraph]:
    """A node that reads an input of a shape, and the graph without it."""

    def graph(build: Build) -> NormalGraph:
        found = Builder()
        return found.graph(found.op("Exp", "out", build(found, found.input("x", shape=sizes))))

    def with_node(found: Builder, x: Tensor) -> Tensor:
        beside = read(found, x) if read is not None else found.op("Rank", "rank", x)
        return found.op(op, "node", x, beside)

    return graph(with_node), graph(plain)


def test_a_number_may_be_reduced_along_whatever_axes() -> None:
    assert matched(*shaped("All")).transforms
    assert edits(*shaped("All", None)) == ["node (All) missing before out"]


def test_an_open_size_beside_none_at_all_keeps_no_shape() -> None:
    def shape(graph: Builder, _: Tensor) -> Tensor:
        return graph.constant("shape", [-1, 0], dtype="int32")

    assert edits(*shaped("Reshape", 3, 0, read=shape))
