"""Two graphs that differ by freezing alone are one, and nothing else is."""

from __future__ import annotations

import random

import pytest

from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.cones import Numbering
from harness.graph.structure.matching import match
from tests.graph.structure.building import Builder, edits, matched, named_leaves, reordered


def layer(graph: Builder, x: Tensor, kernel: Tensor, bias: Tensor, name: str = "layer") -> Tensor:
    product = graph.op("MatMul", f"{name}/MatMul", x, kernel)
    return graph.op("BiasAdd", f"{name}/BiasAdd", product, bias)


def model(*, is_frozen: bool) -> NormalGraph:
    graph = Builder()
    weight = graph.weight if is_frozen else graph.variable
    x = graph.input("x")
    return graph.graph(graph.op("Relu", "out", layer(graph, x, weight("kernel"), weight("bias"))))


def test_variables_and_constants_in_their_places_are_pairs() -> None:
    reference, candidate = model(is_frozen=False), model(is_frozen=True)

    found = matched(reference, candidate)

    assert not found.edits
    assert not found.transforms
    assert not found.folded
    assert named_leaves(reference, candidate) == [("kernel", "kernel"), ("bias", "bias")]
    assert [pair.reference for pair in found.pairs] == list(range(len(reference.nodes)))


def test_order_and_names_of_nodes_say_nothing() -> None:
    right = model(is_frozen=True)

    shuffled = reordered(right, range(len(right.nodes))[::-1], prefix="n")

    assert edits(model(is_frozen=False), shuffled) == []


def test_a_variable_in_two_places_is_paired_with_what_stands_in_each() -> None:
    graph, other = Builder(), Builder()
    x, weights = graph.input("x"), graph.variable("weights")
    tied = graph.graph(layer(graph, layer(graph, x, weights, weights, "a"), weights, weights, "b"))
    x, one, two = other.input("x"), other.weight("one"), other.weight("two")
    parted = other.graph(layer(other, layer(other, x, one, one, "a"), two, two, "b"))

    assert set(named_leaves(tied, parted)) == {("weights", "one"), ("weights", "two")}


def test_a_constant_in_the_places_of_two_variables_is_paired_with_both() -> None:
    graph, other = Builder(), Builder()
    x, one, two = graph.input("x"), graph.variable("one"), graph.variable("two")
    apart = graph.graph(layer(graph, x, one, two))
    x, shared = other.input("x"), other.weight("shared")
    shared_graph = other.graph(layer(other, x, shared, shared))

    assert set(named_leaves(apart, shared_graph)) == {("one", "shared"), ("two", "shared")}


def test_pairs_that_follow_from_others_are_pairs_too() -> None:
    def read(weights: str, *, is_frozen: bool) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        leaves = {
            name: (graph.weight if is_frozen else graph.variable)(name)
            for name in dict.fromkeys(weights)
        }
        for index, name in enumerate(weights):
            x = graph.op("MatMul", f"{index}", x, leaves[name])
        return graph.graph(x)

    found = named_leaves(read("aabb", is_frozen=False), read("cdcd", is_frozen=True))

    assert set(found) == {("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")}


def test_every_output_is_looked_at() -> None:
    def two_outputs(op: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        return graph.graph(graph.op("Relu", "one", x), graph.op(op, "two", x))

    assert edits(two_outputs("Tanh"), two_outputs("Tanh")) == []
    assert edits(two_outputs("Tanh"), two_outputs("Sigmoid")) == ["two (Tanh) became Sigmoid"]


def test_unequal_numbers_of_outputs_are_no_match() -> None:
    graph = Builder()
    x = graph.input("x")

    for outputs in ((), (x, x)):
        with pytest.raises(ValueError, match="outputs"):
            match(graph.graph(x), graph.graph(*outputs), same_constant=lambda *_: True)
    with pytest.raises(ValueError, match="one at least"):
        match(graph.graph(), graph.graph(), same_constant=lambda *_: True)


@pytest.mark.parametrize("are_equal", [True, False])
def test_large_constants_that_are_no_weights_are_compared(are_equal: bool) -> None:
    def with_table() -> NormalGraph:
        graph = Builder()
        table, weights = graph.weight("table"), graph.variable("weights")
        return graph.graph(graph.op("Mul", "out", graph.input("x"), table),
                           graph.op("Mul", "other", graph.input("x"), weights))  # fmt: skip

    found = matched(with_table(), with_table(), are_equal=are_equal)

    assert bool(found.edits) is not are_equal


def test_large_constants_of_a_frozen_reference_are_weights_and_small_ones_are_not() -> None:
    def frozen(shape: tuple[int, ...], value: float) -> NormalGraph:
        graph = Builder()
        constant = graph.constant("c", [[value] * shape[1]] * shape[0])
        return graph.graph(graph.op("Mul", "out", graph.input("x"), constant))

    assert edits(frozen((4, 4), 1), frozen((4, 4), 2)) != []
    assert edits(frozen((17, 1), 1), frozen((17, 1), 2)) == []
    assert named_leaves(frozen((17, 1), 1), frozen((17, 1), 2)) == [("c", "c")]


def loop(step: str = "AddV2") -> NormalGraph:
    graph = Builder()
    x, weights = graph.input("x"), graph.variable("weights")
    merge = graph.op("Merge", "merge", graph.op("Enter", "enter", x))
    graph.close_loop(merge, graph.op(step, "step", merge, graph.op("Enter", "w", weights)))
    return graph.graph(graph.op("Exit", "exit", merge))


def test_loops_are_equal_where_their_rounds_are() -> None:
    assert edits(loop(), loop()) == []
    assert edits(loop(), loop("Mul")) == ["step (AddV2) became Mul"]


def test_cones_are_cut_in_the_same_place_of_a_loop_whatever_the_order() -> None:
    right = loop()
    back = next(index for index, node in enumerate(right.nodes) if node.op == "NextIteration")
    order = [back, *(index for index in range(len(right.nodes)) if index != back)]

    numbering = Numbering()
    numbers, others = numbering.of(right), numbering.of(reordered(right, order))

    assert others == [numbers[index] for index in order]


def test_the_order_of_guards_makes_no_other_cone() -> None:
    def guarded(*names: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        guards = {name: graph.op("Assert", name, graph.op(name, f"{name}/of", x)) for name in "AB"}
        read = [guards[name] for name in names]
        return graph.graph(graph.op("Relu", "out", x, guards=read))

    numbering = Numbering()

    assert numbering.of(guarded("A", "B")) == numbering.of(guarded("B", "A"))


def test_a_loop_without_its_end_is_another_graph() -> None:
    graph = Builder()
    merge = graph.op("Merge", "merge", graph.op("Enter", "enter", graph.input("x")))
    without = graph.graph(graph.op("Exit", "exit", merge))

    assert edits(loop(), without) == ["merge (Merge) reads merge/next no more"]


def draws(*, shared: bool) -> NormalGraph:
    graph = Builder()
    shape = graph.constant("shape", [2], dtype="int32")
    one = graph.op("RandomUniform", "one", shape, seed=1)
    other = one if shared else graph.op("RandomUniform", "other", shape, seed=1)
    return graph.graph(graph.op("Sub", "out", one, other))


def test_two_random_ops_are_not_one_that_is_read_twice() -> None:
    assert edits(draws(shared=False), draws(shared=False)) == []
    assert edits(draws(shared=False), draws(shared=True)) != []
    assert edits(draws(shared=True), draws(shared=False)) != []


def test_two_assertions_of_one_condition_may_be_one() -> None:
    def asserted(*, shared: bool) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        one = graph.op("Assert", "one", x)
        other = one if shared else graph.op("Assert", "other", x)
        first = graph.op("Relu", "first", x, guards=[one])
        return graph.graph(graph.op("Exp", "out", first, guards=[other]))

    assert edits(asserted(shared=False), asserted(shared=True)) == []


def test_equal_nodes_without_state_may_be_one() -> None:
    def squared(*, shared: bool) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        one = graph.op("Relu", "one", x)
        return graph.graph(
            graph.op("Mul", "out", one, one if shared else graph.op("Relu", "other", x))
        )

    assert edits(squared(shared=False), squared(shared=True)) == []


def drawn_nodes(rng: random.Random) -> list[Node]:
    """Inputs and constants, and some nodes, each of which reads one or two that stand before it."""
    nodes = [Node(name=name, op="Input", position=place) for place, name in enumerate("xy")]
    for name in "ab":
        value = (("dtype", "int8"), ("shape", ()), ("value", name.encode()))
        nodes.append(Node(name=name, op="Const", constant=name, attributes=value))
    while len(nodes) < 14:
        nodes.append(drawn_node(rng, f"n{len(nodes)}", len(nodes)))
    return nodes


def drawn_node(rng: random.Random, name: str, before: int) -> Node:
    op = rng.choice(("One", "Other", "Sub", "Pow", "Mul"))
    read = [(rng.randrange(before), 0) for _ in range(1 if op in ("One", "Other") else 2)]
    return Node(name=name, op=op, inputs=tuple(read))


def computed(nodes: list[Node]) -> str:
    """What the last node computes, in full."""
    texts: list[str] = []
    for node in nodes:
        read = [texts[index] for index, _ in node.inputs]
        if node.op == "Mul":
            read.sort()
        texts.append(f"{node.op}({','.join(read)})" if read else node.name)
    return texts[-1]


def graph_of(nodes: list[Node]) -> NormalGraph:
    names = {node.name: index for index, node in enumerate(nodes)}
    return NormalGraph(nodes=nodes, outputs=((len(nodes) - 1, 0),), names=names)


@pytest.mark.parametrize("changes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(100))
def test_graphs_match_exactly_where_they_compute_the_same(seed: int, changes: int) -> None:
    rng = random.Random(seed)
    right = drawn_nodes(rng)
    wrong = list(right)
    for _ in range(changes):
        index = rng.randrange(4, len(right))
        wrong[index] = drawn_node(rng, rng.choice((right[index].name, f"m{index}")), index)

    found = matched(graph_of(right), graph_of(wrong))

    is_equal = not (found.edits or found.transforms or found.folded)
    assert is_equal is (computed(right) == computed(wrong))
