"""Which nodes of a flat graph run only when a branch is chosen, and which the outputs always need.

Control flow of both versions: a Switch sends data into one of two branches, and a Merge takes what
comes; an If or a Case is laid open by `inlining`, and its nodes are told by their names. A branch
that a constant chooses is no choice: the other one is dead.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from tensorflow.core.framework import node_def_pb2

from harness.graph.inlining import CHOOSER
from harness.graph.reading.flat import FlatGraph
from harness.tensor_names import node_name, output_index

Choice = tuple[str, int]
"""What chooses, and which branch it chooses."""
Choices = frozenset[Choice]

_NONE: Choices = frozenset()
SWITCHES = frozenset({"Switch", "RefSwitch"})
_MERGES = frozenset({"Merge", "RefMerge"})
_AGAIN = frozenset({"NextIteration", "RefNextIteration"})
_SELECTS = frozenset({"Select", "SelectV2"})
_BRANCH = re.compile(r"/branch_(\d+)/")
_PASSES_ON = frozenset({"Identity", "PlaceholderWithDefault", "Switch", "Enter", "StopGradient",
                        "Cast", "Squeeze", "Reshape"})  # fmt: skip
_LONGEST_WAY = 50

Goes = Callable[[node_def_pb2.NodeDef, int, int], bool]
"""Whether to go back from an output of a node, by its index, to what it reads at a position."""


class Branches:
    """The choices that each node of a graph is behind."""

    def __init__(self, flat: FlatGraph, fed: Mapping[str, bool] | None = None) -> None:
        """Go through the graph once, from its inputs to its outputs.

        `fed` are inputs that are always fed the same: flags of training.
        """
        self._flat = flat
        self._fed = fed or {}
        self._names = {name.removesuffix(CHOOSER) for name in flat.nodes if name.endswith(CHOOSER)}
        self._constants: dict[str, int | None] = {}
        self._choices: dict[str, Choices] = {}
        self._dead: set[str] = set()
        for node in _in_order(flat):
            self._visit(node)

    def is_chosen(self, name: str) -> bool:
        """Say whether a node runs only when a branch is chosen, or never."""
        return name not in self._choices or bool(self._choices[name]) or name in self._dead

    def needed(self, tensors: Iterable[str], goes: Goes | None = None) -> set[str]:
        """Return the tensors that `tensors` depend on whatever branch is chosen, they included.

        With `goes`, only on a way that it allows.
        """
        flat = self._flat
        found = {tensor for tensor in tensors if not self.is_chosen(node_name(tensor))}
        queue = deque(found)
        while queue:
            tensor = queue.popleft()
            node = flat.producer(tensor)
            if node is None or tensor in flat.inputs:
                continue
            for position, read in reads_of(node, output_index(tensor)):
                if (
                    read not in found
                    and (goes is None or goes(node, output_index(tensor), position))
                    and self.goes_on(node, position)
                    and not self._is_chosen_tensor(read)
                ):
                    found.add(read)
                    queue.append(read)
        return found

    def goes_on(self, node: node_def_pb2.NodeDef, position: int) -> bool:
        """Say whether what a node reads there comes out of it, whatever the inputs are."""
        if node.op in _SELECTS and position:
            condition = node.input[0]
            constant = self.constant(condition)
            if constant is not None:
                return position == (1 if constant else 2)
            # Of a mask, both sides are taken; a flag takes one.
            return self._flat.shape(condition) not in ((), (1,))
        return not (node.op in SWITCHES and position == 1)

    def constant(self, tensor: str) -> int | None:
        """Return the flag or the number that a graph's own constant holds, None where none does."""
        if tensor not in self._constants:
            self._constants[tensor] = self._constant(tensor)
        return self._constants[tensor]

    def _constant(self, tensor: str) -> int | None:
        flat, is_negated = self._flat, False
        for _ in range(_LONGEST_WAY):
            node = flat.producer(tensor)
            if node is None or tensor in flat.inputs or node.op == "Const":
                number = self._number(tensor)
                return int(not number) if is_negated and number is not None else number
            if node.op == "LogicalNot":
                is_negated = not is_negated
            elif node.op not in _PASSES_ON:
                return None
            tensor = node.input[0]
        return None

    def _number(self, tensor: str) -> int | None:
        if tensor in self._flat.inputs:
            return int(self._fed[tensor]) if tensor in self._fed else None
        value = self._flat.stated(tensor)
        if value is None or value.size != 1 or value.dtype.kind not in "biu":
            return None
        return int(value.reshape(()))

    def _is_chosen_tensor(self, tensor: str) -> bool:
        if self.is_chosen(node_name(tensor)):
            return True
        node = self._flat.producer(tensor)
        return (
            node is not None
            and node.op in SWITCHES
            and bool(self._through(node, output_index(tensor)) or self._is_dead(tensor))
        )

    def _visit(self, node: node_def_pb2.NodeDef) -> None:
        reads = [read for read in node.input if node_name(read) in self._choices]
        if node.op in _MERGES:
            reads = [r for r in reads if not self._is_dead(r)]
            is_dead = not reads
        else:
            is_dead = any(self._is_dead(read) for read in reads)
        found = [self._of(read) for read in reads]
        choices = _union(found)
        if node.op in _MERGES:
            # What a branch gives as it was given stands in no branch: the name tells of an If.
            call = node.name.rpartition("/merge_")[0]
            choices = frozenset(choice for choice in _unsettled(choices) if choice[0] != call)
        for choice in self._within(node.name):
            constant = self._chosen_by(choice[0])
            if constant is None:
                choices |= {choice}
            else:
                is_dead = is_dead or constant != choice[1]
        self._choices[node.name] = choices
        if is_dead:
            self._dead.add(node.name)

    def _of(self, tensor: str) -> Choices:
        node = self._flat.producer(tensor)
        own = self._choices.get(node_name(tensor), _NONE)
        if node is None or node.op not in SWITCHES:
            return own
        return own | self._through(node, output_index(tensor))

    def _through(self, switch: node_def_pb2.NodeDef, index: int) -> Choices:
        """Return the choice that an output of a Switch is behind."""
        chosen_by = self._flat.origin(switch.input[1])
        source = self._flat.producer(chosen_by)
        is_loop = source is not None and source.op == "LoopCond"
        if is_loop or self.constant(switch.input[1]) is not None:
            return _NONE
        return frozenset({(chosen_by, index)})

    def _is_dead(self, tensor: str) -> bool:
        if node_name(tensor) in self._dead:
            return True
        node = self._flat.producer(tensor)
        if node is None or node.op not in SWITCHES:
            return False
        constant = self.constant(node.input[1])
        return constant is not None and bool(constant) is not bool(output_index(tensor))

    def _within(self, name: str) -> Iterator[Choice]:
        """Yield the branches of If and Case that a node stands in, by its name."""
        for match in _BRANCH.finditer(name):
            call = name[: match.start()]
            if call in self._names:
                yield call, int(match[1])

    def _chosen_by(self, call: str) -> int | None:
        """Return the branch that a constant chooses of an If or a Case."""
        chooser = self._flat.nodes[f"{call}{CHOOSER}"]
        is_case = chooser.op == "Gather"
        constant = self.constant(chooser.input[1 if is_case else 0])
        if constant is None or is_case:
            return constant
        return 0 if constant else 1  # the first branch of an If is the one for True


def reads_of(node: node_def_pb2.NodeDef, index: int) -> Iterator[tuple[int, str]]:
    """Yield what an output of a node is made of: positions and tensors.

    A call that was laid open is an IdentityN, and each output is one of its inputs.
    """
    for position, read in enumerate(node.input):
        if node.op != "IdentityN" or position == index:
            yield position, read


def above(
    flat: FlatGraph, tensors: Iterable[str], *, is_end: Callable[[str], bool] | None = None
) -> set[str]:
    """Return the tensors that `tensors` are made of, whatever is chosen, they included.

    Nothing above a tensor that `is_end` is looked at.
    """
    found = set(tensors)
    queue = deque(found)
    while queue:
        tensor = queue.popleft()
        node = flat.producer(tensor)
        if node is None or tensor in flat.inputs or (is_end is not None and is_end(tensor)):
            continue
        for _, read in reads_of(node, output_index(tensor)):
            if read not in found:
                found.add(read)
                queue.append(read)
    return found


def _in_order(flat: FlatGraph) -> Iterator[node_def_pb2.NodeDef]:
    """Yield the nodes after what they read, but for what comes round in a loop."""
    waits: dict[str, int] = {}
    readers: dict[str, list[str]] = {}
    for name, node in flat.nodes.items():
        sources = {node_name(read) for read in node.input if node_name(read) in flat.nodes}
        sources = {source for source in sources if flat.nodes[source].op not in _AGAIN}
        waits[name] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(name)
    queue = deque(name for name, count in waits.items() if not count)
    while queue:
        name = queue.popleft()
        yield flat.nodes[name]
        for reader in readers.get(name, ()):
            waits[reader] -= 1
            if not waits[reader]:
                queue.append(reader)


def _union(found: list[Choices]) -> Choices:
    several = [choices for choices in found if choices]
    return several[0].union(*several[1:]) if several else _NONE


def _unsettled(choices: Choices) -> Choices:
    """Return the choices that are left behind a Merge: not those of which it has both sides."""
    sides: dict[str, set[int]] = {}
    for chosen_by, side in choices:
        sides.setdefault(chosen_by, set()).add(side)
    return frozenset(choice for choice in choices if len(sides[choice[0]]) == 1)
