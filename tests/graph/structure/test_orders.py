"""Which operand of a sum stands for which: as they stand, unless leaves or what is above tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.matching import match
from tests.graph.structure.building import Builder, edits, named_leaves

Branch = tuple[str, str]
"""What a branch's nodes are called, and its weight."""


def summed(*branches: Branch, is_frozen: bool, op: str = "AddV2") -> NormalGraph:
    """relu(x @ a) + relu(x @ b), the branches in the order given."""
    graph = Builder()
    x = graph.input("x")
    read = []
    for name, weight in branches:
        kernel = graph.weight(weight) if is_frozen else graph.variable(weight, shape=(64, 64))
        product = graph.op("MatMul", f"MatMul{name}", x, kernel)
        read.append(graph.op("Relu", f"Relu{name}", product))
    return graph.graph(graph.op(op, "y", *read))


REFERENCE = summed(("", "a"), ("_1", "b"), is_frozen=False)


def test_names_of_ops_do_not_say_which_operand_is_which() -> None:
    # As a graph that was built in another order names its ops.
    rebuilt = summed(("_1", "a"), ("", "b"), is_frozen=True)

    assert named_leaves(REFERENCE, rebuilt) == [("a", "a"), ("b", "b")]


def test_names_of_leaves_say_which_operand_is_which() -> None:
    turned = summed(("_1", "b/read"), ("", "a/read"), is_frozen=True)

    assert named_leaves(REFERENCE, turned) == [("a", "a/read"), ("b", "b/read")]


def with_values(candidate: NormalGraph, holds: dict[str, str]) -> list[tuple[str, str]]:
    """The pairs of leaves, where it is known whose value each of the candidate's holds."""
    found = match(
        REFERENCE,
        candidate,
        same_constant=lambda *_: True,
        same_value=lambda one, other: holds[other.name] == one.name,
    )
    return [
        (REFERENCE.nodes[pair.reference].name, candidate.nodes[pair.candidate].name)
        for pair in found.leaves
    ]


def test_values_of_leaves_say_it_where_names_do_not() -> None:
    renamed = summed(("n", "one"), ("m", "two"), is_frozen=True)

    assert with_values(renamed, {"one": "a", "two": "b"}) == [("a", "one"), ("b", "two")]
    assert with_values(renamed, {"one": "b", "two": "a"}) == [("a", "two"), ("b", "one")]
    assert with_values(renamed, {"one": "b", "two": "c"}) == [("a", "one"), ("b", "two")]


def test_two_weights_that_hold_each_others_values_stay_in_their_places() -> None:
    frozen = summed(("", "a"), ("_1", "b"), is_frozen=True)

    assert with_values(frozen, {"a": "b", "b": "a"}) == [("a", "a"), ("b", "b")]


def test_the_order_as_it_stands_is_right_where_its_values_are_whatever_the_names() -> None:
    misnamed = summed(("", "b"), ("_1", "a"), is_frozen=True)

    assert with_values(misnamed, {"b": "a", "a": "b"}) == [("a", "b"), ("b", "a")]


def two_paths(first: Sequence[str], second: Sequence[str], *, op: str = "AddV2") -> NormalGraph:
    graph = Builder()
    x = graph.input("x")

    def path(ops: Sequence[str]) -> Tensor:
        found = x
        for place, each in enumerate(ops):
            found = graph.op(each, f"{each}{place}", found)
        return found

    return graph.graph(graph.op(op, "y", path(first), path(second)))


def test_of_turned_operands_a_change_in_one_is_told_alone() -> None:
    reference = two_paths(["Exp", "Tanh"], ["Log", "Neg"])

    assert edits(reference, two_paths(["Log", "Neg"], ["Exp", "Sigmoid"])) == [
        "Tanh1 (Tanh) became Sigmoid"
    ]


def test_of_turned_operands_changes_in_both_are_told_in_their_places() -> None:
    reference = two_paths(["Exp", "Tanh", "Abs"], ["Log", "Neg", "Sqrt"])

    assert edits(reference, two_paths(["Sin", "Neg", "Sqrt"], ["Cos", "Tanh", "Abs"])) == [
        "Exp0 (Exp) became Cos",
        "Log0 (Log) became Sin",
    ]


def test_names_of_loops_and_branches_are_no_hints() -> None:
    def switched(*names: str) -> NormalGraph:
        graph = Builder()
        x = graph.op("Exp", "exp", graph.input("x"))
        side = graph.input("flag", 1)
        data = graph.op("Switch", names[0], x, side)
        weight = graph.op("Switch", names[1], graph.variable("s"), side)
        return graph.graph(graph.op("Mul", "y", (data[0], 1), (weight[0], 1)))

    there = switched("cond/switch_1", "cond/switch_0")
    renumbered = switched("cond/switch_0", "cond/switch_1")

    assert edits(there, renumbered) == []
    assert named_leaves(there, renumbered) == [("s", "s")]


def test_of_two_leaves_one_that_kept_its_name_says_it() -> None:
    # The other was renamed; where its own value is unknown, the order as it stands is doubted.
    straight = summed(("", "a"), ("_1", "new"), is_frozen=True)
    turned = summed(("_1", "new"), ("", "a"), is_frozen=True)

    assert with_values(straight, {"a": "b", "new": "a"}) == [("a", "a"), ("b", "new")]
    assert named_leaves(REFERENCE, turned) == [("a", "a"), ("b", "new")]


def test_the_number_of_a_switch_is_not_taken_for_what_a_node_reads() -> None:
    def switched(*names: str, op: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        side = graph.input("flag", 1)
        read = [
            graph.op("Switch", name, graph.op(each, each.lower(), x), side)
            for name, each in zip(names, ("Exp", op), strict=True)
        ]
        return graph.graph(graph.op("Sub", "y", *read))

    reference = switched("cond/switch_0", "cond/switch_1", op="Tanh")
    candidate = switched("cond/switch_1", "cond/switch_0", op="Sigmoid")

    assert edits(reference, candidate) == ["tanh (Tanh) became Sigmoid"]


def guarded(*limits: float) -> NormalGraph:
    graph = Builder()
    x = graph.input("x")
    guards = [
        graph.op(
            "Assert", f"assert{n}", graph.op("Less", f"less{n}", x, graph.constant(f"c{n}", v))
        )
        for n, v in enumerate(limits)
    ]
    return graph.graph(graph.op("Identity", "y", x, guards=guards))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((1000, 1e6), []),
        ((5, 1e6), ["c1 (Const): 1000.0 became 5.0, read by less1"]),
    ],
)
def test_of_guards_that_are_alike_constants_say_which_is_which(
    limits: Sequence[float], expected: list[str]
) -> None:
    assert edits(guarded(1e6, 1000), guarded(*limits)) == expected


def holding(value: object) -> NormalGraph:
    graph = Builder()
    return graph.graph(graph.op("Maximum", "y", graph.input("x"), graph.constant("c", value)))


NAN = np.array([0x7FC00000], np.uint32).view(np.float32)
OTHER_NAN = np.array([0x7FC00001], np.uint32).view(np.float32)


def test_one_nan_is_as_good_as_another() -> None:
    assert edits(holding(NAN), holding(OTHER_NAN)) == []
    assert edits(holding(NAN), holding([0])) == ["c (Const): [nan] became [0.0], read by y"]
    assert edits(holding([0]), holding([-0.0])) == ["c (Const): [0.0] became [-0.0], read by y"]
    both = [np.concatenate([nan, [value]]) for nan, value in ((NAN, 1), (OTHER_NAN, 2))]
    assert len(edits(holding(both[0]), holding(both[1]))) == 1


def test_values_are_asked_for_only_where_either_order_is_right() -> None:
    asked: list[Node] = []

    def same_value(one: Node, other: Node) -> bool:
        asked.extend((one, other))
        return True

    for graph in (two_paths(["Exp"], ["Log"]), REFERENCE):
        match(graph, graph, same_constant=lambda *_: True, same_value=same_value)

    assert not asked
