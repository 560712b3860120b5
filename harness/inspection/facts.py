"""What can be told of a model on disk without running it: the facts that `inspect` prints."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.domain import Domain
from harness.locate import Kind
from harness.signature import Shape, Signature, TensorSpec
from harness.verdict import ModelWarning

LARGEST_GRAPH = 2**31 - 1
"""Bytes of the largest protobuf message, and so of the largest GraphDef that can be written."""

Question = Literal["", "tags", "signature", "outputs"]
"""What the files leave open, so that the user has to say it."""

Goal = Literal["", "outputs", "candidates", "signatures"]
"""What the path leads to: the outputs or, where they are not settled, all that may be; or ""."""


class Role(enum.Enum):
    """What a placeholder, or a tensor of an input pipeline, is to what the path leads to."""

    INPUT = "input"
    LABEL = "label"
    KEEPS_DEFAULT = "keeps its default"
    UNUSED = "unused input"
    UNFED = "needed, not fed"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, kw_only=True)
class ServedSignature:
    """A signature of a SavedModel."""

    key: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    is_taken: bool


@dataclass(frozen=True, kw_only=True)
class TaggedGraph:
    """One of the graphs of a SavedModel."""

    tags: tuple[str, ...]
    signatures: tuple[ServedSignature, ...]
    is_taken: bool


@dataclass(frozen=True, kw_only=True)
class CandidateOutput:
    """A node that may be the output: the tensors that it stands for, by name and as they are.

    Of an op that nobody defines, `tensors` is empty.
    """

    op: str
    names: tuple[str, ...]
    tensors: tuple[TensorSpec, ...]
    score: int
    reasons: tuple[str, ...]
    is_taken: bool


@dataclass(frozen=True, kw_only=True)
class FedTensor:
    """A placeholder, or a tensor by which an input pipeline meets the model."""

    spec: TensorSpec
    op: str
    role: Role | None
    """None where no outputs are known that may need it."""


@dataclass(frozen=True, kw_only=True)
class HeldVariable:
    """A variable, and where its value stands.

    `key` is its name in the checkpoint, and `part`, as "[0:4, :]", the part of what is saved there;
    `file` is the end of the name of the file with its value. Of what is not known, `bytes` is None
    and `file` "".
    """

    name: str
    dtype: str
    shape: Shape | None
    bytes: int | None
    key: str
    part: str
    file: str
    is_saved: bool
    is_on_path: bool


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A constant on the path that is large enough to be a weight."""

    name: str
    dtype: str
    shape: Shape | None
    bytes: int


@dataclass(frozen=True, kw_only=True)
class OpCount:
    """How often an op stands on the path and in the whole graph, library functions included."""

    op: str
    on_path: int
    in_graph: int


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation with its outputs; `outputs` is None where nobody defines its op."""

    name: str
    op: str
    outputs: tuple[TensorSpec, ...] | None


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """What freezing would give, as far as graph and checkpoint tell it."""

    is_frozen: bool
    variables: int
    weight_bytes: int
    graph_bytes: int
    """Of the graph alone, without the values of its variables."""
    obstacle: str
    warnings: tuple[ModelWarning, ...]
    random_ops: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of the .pb, but for a few bytes a variable."""
        return self.graph_bytes + self.weight_bytes


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """What is known of one graph and its values.

    `signature` and `freezing` are None where inputs and outputs are not settled. `candidates` stand
    best first. `saved_tensors` counts what the checkpoint holds, `saved_bytes` is None where not
    all sizes are known. `operations` is empty where nobody asked for them.
    """

    producer: int
    has_legacy_shapes: bool
    nodes: int
    functions: int
    signature: Signature | None
    inputs_inferred: bool
    outputs_inferred: bool
    leads_to: Goal
    candidates: tuple[CandidateOutput, ...]
    placeholders: tuple[FedTensor, ...]
    cuts: tuple[FedTensor, ...]
    variables: tuple[HeldVariable, ...]
    saved_tensors: int
    saved_bytes: int | None
    weights: tuple[Weight, ...]
    ops: tuple[OpCount, ...]
    freezing: Freezing | None
    operations: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a path turned out to be.

    `graph` is None where one of several has to be chosen first. `fault` says why the model cannot
    be used as it is, with what the command asks for where the fault `is_of_request`. `domains` are
    what a run would draw of each input of a model that can be used.
    """

    path: Path
    kind: Kind
    bytes_on_disk: int
    graphs: tuple[TaggedGraph, ...]
    question: Question
    graph: GraphFacts | None
    fault: str
    fault_is_of_request: bool
    domains: Mapping[str, Domain] = field(default_factory=dict)
