"""Ops that touch files, sockets or other processes: a graph that computes has no use for them.

What a Python function or an input pipeline does is no warning but an obstacle: see `lint`.
"""

from __future__ import annotations

import re

from tensorflow.core.framework import graph_pb2, node_def_pb2

from harness.graph.functions import placed_nodes
from harness.graph.state import name_in

_READ_OR_WRITTEN = re.compile(
    r"^(ReadFile|WriteFile|MatchingFiles|(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints|"
    r"LoadAndRemapMatrix|GenerateVocabRemapping|BigQueryReader|GenerateBigQueryReaderPartitions|"
    r"AudioMicrofrontendFile|Write\w*Summary|Create\w*SummaryWriter|ImportEvent|"
    r"FlushSummaryWriter|CloseSummaryWriter)$"
)
_SENT = re.compile(
    r"^(RemoteCall|RemoteFusedGraphExecute|(Try)?Rpc(Call)?|Rpc(Server|Client)\w*|"
    r"_?(Host)?(Send|Recv)|XlaHostCompute|_XlaSendFromHost|_XlaRecvAtHost|"
    r"GcsConfigure\w*|FileSystemSetConfiguration)$"
)
_WATCHED = re.compile(r"^(Debug(Identity|NanCount|NumericSummary)(V\d)?|_?DumpTensor)$")
_TO_A_FILE = re.compile(r"^file://")
_DESCRIPTORS = frozenset({"DecodeProtoV2", "EncodeProto"})
_IN_THE_PROCESS = re.compile(r"^(|local://|bytes://.*)$", re.DOTALL)


def file_ops(graph_def: graph_pb2.GraphDef) -> tuple[tuple[str, str], ...]:
    """Return the nodes that read or write something outside the graph, each with its op."""
    return tuple(
        (name_in(function, node.name), node.op)
        for function, node in placed_nodes(graph_def)
        if _touches_the_outside(node)
    )


def _touches_the_outside(node: node_def_pb2.NodeDef) -> bool:
    if node.op == "PrintV2":
        return bool(_TO_A_FILE.match(_text(node, "output_stream")))
    if node.op in _DESCRIPTORS:
        return not _IN_THE_PROCESS.match(_text(node, "descriptor_source"))
    return any(pattern.match(node.op) for pattern in (_READ_OR_WRITTEN, _SENT, _WATCHED))


def _text(node: node_def_pb2.NodeDef, attribute: str) -> str:
    # To look up what is not there would put it there, without a value.
    return node.attr[attribute].s.decode(errors="replace") if attribute in node.attr else ""
