"""Where an input pipeline meets the model: an iterator, a dequeue, a decoded file.

What lies before that point reads files, keeps queues and cannot be frozen; what lies behind it is
the model. The tensors at the point are its inputs, and the graph is cut there.
"""

from __future__ import annotations

import re

from harness.graph.edges import Edges, closure

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
    """Return the nodes that fill a queue, make a dataset or hold an iterator."""
    ends = [name for name, node in edges.nodes.items() if _belongs_to_a_pipeline(node.op)]
    return closure(ends, edges.sources.__getitem__)


def meeting_points(edges: Edges) -> dict[str, None]:
    """Return the tensors by which data leaves the pipeline, decoded where it decodes; in order."""
    nodes = edges.nodes
    inside = inside_a_pipeline(edges)
    raw = {name for name, node in nodes.items() if _SOURCES.match(node.op)} - inside
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
