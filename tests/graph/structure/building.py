"""Graphs in normal form, written down by hand."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from harness.graph.normal.graph import Node, NormalGraph, Tensor
from harness.graph.structure.matching import Matching, match


class Builder:
    """Nodes as they are added; each method returns what the node is read by."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []

    def input(self, name: str, position: int = 0, *, shape: Sequence[int | None] | None = None,
              dtype: str = "float32") -> Tensor:  # fmt: skip
        attributes = {"dtype": dtype, "shape": None if shape is None else tuple(shape)}
        return self._add(name, "Input", position=position, attributes=attributes)

    def variable(self, name: str, *, shape: Sequence[int] = (4, 4)) -> Tensor:
        attributes = {"dtype": "float32", "shape": tuple(shape)}
        return self._add(name, "Variable", variable=name, attributes=attributes)

    def weight(self, name: str, *, shape: Sequence[int] = (64, 64)) -> Tensor:
        """A constant too large to have its value."""
        attributes = {"dtype": "float32", "shape": tuple(shape)}
        return self._add(name, "Const", constant=name, attributes=attributes)

    def constant(self, name: str, value: object, *, dtype: str = "float32") -> Tensor:
        array = np.asarray(value, dtype)
        attributes = {"dtype": dtype, "shape": array.shape, "value": array.tobytes()}
        return self._add(name, "Const", constant=name, attributes=attributes)

    def op(self, op: str, name: str, *inputs: Tensor, guards: Sequence[Tensor] = (),
           **attributes: Hashable) -> Tensor:  # fmt: skip
        return self._add(name, op, inputs=inputs, guards=tuple(index for index, _ in guards),
                         attributes=attributes)  # fmt: skip

    def close_loop(self, merge: Tensor, following: Tensor) -> None:
        """Let a Merge read, as its second input, what a round gives."""
        node = self._nodes[merge[0]]
        back = self.op("NextIteration", f"{node.name}/next", following)
        self._nodes[merge[0]] = Node(name=node.name, op=node.op, attributes=node.attributes,
                                     inputs=(*node.inputs, back))  # fmt: skip

    def graph(self, *outputs: Tensor) -> NormalGraph:
        names = {node.name: index for index, node in enumerate(self._nodes)}
        return NormalGraph(nodes=tuple(self._nodes), outputs=outputs, names=names)

    def _add(self, name: str, op: str, *, inputs: tuple[Tensor, ...] = (),
             guards: tuple[int, ...] = (), attributes: dict[str, Hashable], variable: str = "",
             constant: str = "", position: int = -1) -> Tensor:  # fmt: skip
        self._nodes.append(
            Node(name=name, op=op, attributes=tuple(sorted(attributes.items())), inputs=inputs,
                 guards=guards, variable=variable, constant=constant, position=position)
        )  # fmt: skip
        return len(self._nodes) - 1, 0


def matched(reference: NormalGraph, candidate: NormalGraph, *, are_equal: bool = True) -> Matching:
    """Match two graphs, all of whose large constants are equal, or none."""
    return match(reference, candidate, same_constant=lambda *_: are_equal)


def edits(reference: NormalGraph, candidate: NormalGraph) -> list[str]:
    return [edit.text for edit in matched(reference, candidate).edits]


def named_leaves(reference: NormalGraph, candidate: NormalGraph) -> list[tuple[str, str]]:
    return [
        (reference.nodes[pair.reference].name, candidate.nodes[pair.candidate].name)
        for pair in matched(reference, candidate).leaves
    ]


def reordered(graph: NormalGraph, order: Sequence[int], *, prefix: str = "") -> NormalGraph:
    """The same graph, whose nodes stand in another order, and are called by it if you like."""
    place = {old: new for new, old in enumerate(order)}
    nodes = []
    for old in order:
        node = graph.nodes[old]
        nodes.append(
            Node(name=f"{prefix}{place[old]}" if prefix else node.name, op=node.op,
                 attributes=node.attributes, inputs=tuple((place[i], k) for i, k in node.inputs),
                 guards=tuple(place[i] for i in node.guards), variable=node.variable,
                 constant=node.constant, position=node.position)
        )  # fmt: skip
    return NormalGraph(
        nodes=nodes,
        outputs=tuple((place[index], k) for index, k in graph.outputs),
        names={node.name: index for index, node in enumerate(nodes)},
    )
