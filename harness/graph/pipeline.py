"""Where an input pipeline meets the model: an iterator, a dequeue, a decoded file.

What lies before that point reads files, keeps queues and cannot be frozen; what lies behind it is
the model. The tensors at the point are its inputs, and the graph is cut there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from harness.graph.edges import Edges, closure
from harness.graph.weights import weights_of

_SOURCES = re.compile(
    r"^(IteratorGetNext(Sync)?|OptionalGetValue|QueueDequeue(Many|UpTo)?(V2)?|"
    r"(OrderedMap|Map)?Unstage|ReaderRead(UpTo)?(V2)?|ReadFile)$"
)
_DECODERS = re.compile(
    r"^(Decode\w+|Parse(Single)?(Sequence)?Example(V2)?|ParseTensor|StringSplit(V2)?|"
    r"StringToNumber)$"
)
_FILLS_A_QUEUE = re.compile(r"^(QueueEnqueue(Many)?(V2)?|(OrderedMap|Map)?Stage)$")
_HOLDS_DATA = re.compile(r"(Iterator|Dataset|Queue|Reader)")


def inside_a_pipeline(edges: Edges) -> set[str]:
    """Return the nodes that fill a queue, make a dataset or hold an iterator.

    What is computed with weights is the model's, wherever it is put.
    """
    ends = [name for name, node in edges.nodes.items() if _belongs_to_a_pipeline(node.op)]
    computed = closure(weights_of(edges), edges.readers.__getitem__)

    def step(name: str) -> Iterable[str]:
        return (source for source in edges.sources[name] if source not in computed)

    return closure(ends, step)


def meeting_points(edges: Edges, inside: Collection[str]) -> dict[str, None]:
    """Return the tensors by which data leaves the pipeline, decoded where it decodes; in order.

    `inside` are the nodes that `inside_a_pipeline` finds.
    """
    nodes = edges.nodes
    raw = {name for name, node in nodes.items() if _SOURCES.match(node.op)}
    queue = list(raw)
    while queue:
        for reader in edges.readers[queue.pop()]:
            if reader not in raw and reader not in inside and _DECODERS.match(nodes[reader].op):
                raw.add(reader)
                queue.append(reader)
    left_by = (
        tensor
        for name in nodes
        if name not in raw and name not in inside
        for tensor in edges.tensors[name]
        if tensor.partition(":")[0] in raw
    )
    return dict.fromkeys(left_by)


def _belongs_to_a_pipeline(op: str) -> bool:
    return bool(_FILLS_A_QUEUE.match(op)) or (
        bool(_HOLDS_DATA.search(op)) and not _SOURCES.match(op)
    )
