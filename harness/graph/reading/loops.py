"""While loops of a flat graph: their counters, and the sizes that the counters run up to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.graph.reading.flat import FlatGraph

_MOST_STEPS = 100
_COMPARISONS = frozenset({"Less", "LessEqual", "Greater", "GreaterEqual"})
_SAME_SIZE = frozenset({"Minimum", "Maximum", "Cast", "Reshape", "Squeeze"})


def is_counter(flat: FlatGraph, tensor: str) -> bool:
    """Say whether a tensor is what a loop begins with a constant and changes in each round."""
    return _loop_variable(flat, tensor) is not None


def limits_of_counter(flat: FlatGraph, counter: str) -> list[str]:
    """Return the tensors that a loop's counter is compared with."""
    merge = _loop_variable(flat, counter)
    found: list[str] = []
    queue = [] if merge is None else [merge]
    for tensor in queue:
        for reading in flat.readers(tensor):
            if reading.node.op in _COMPARISONS:
                found.append(reading.node.input[1 - reading.position])
            elif reading.node.op in {"Identity", "Switch"} and reading.position == 0:
                queue.extend(flat.outputs_read(reading.node.name))
        if len(queue) > _MOST_STEPS:
            break
    return found


def axes_that_give(flat: FlatGraph, size: str) -> Iterator[tuple[str, int]]:
    """Yield the tensors and axes that a number is the size of, or the lesser or greater of some."""
    queue = [size]
    for tensor in queue:
        if len(queue) > _MOST_STEPS:
            return
        node = flat.origin_node(tensor)
        if node is None:
            continue
        if node.op == "StridedSlice":
            shape = flat.origin_node(node.input[0])
            begin = flat.stated(node.input[1])
            if shape is not None and shape.op == "Shape" and _is_one(begin):
                yield shape.input[0], int(np.asarray(begin).reshape(-1)[0])
        elif node.op in _SAME_SIZE:
            queue.extend(node.input)


def _is_one(begin: object) -> bool:
    return begin is not None and np.size(np.asarray(begin)) == 1


def _loop_variable(flat: FlatGraph, tensor: str) -> str | None:
    node = flat.origin_node(tensor)
    if node is None or node.op != "Merge" or len(node.input) < 2:
        return None
    sources = [flat.origin_node(read) for read in node.input]
    goes_round = any(source is not None and source.op == "NextIteration" for source in sources)
    starts = any(source is not None and source.op == "Const" for source in sources)
    return str(node.name) if goes_round and starts else None
