"""How long the proof takes, and how much memory: weights and structure, without any session.

Two models are made, each a checkpoint and its frozen copy: one with 1.6 GB of weights in a few
nodes, one with 100,000 nodes on the path and few weights. Both are written by hand, a tensor at a
time, and the frozen copy by the wire format of protobuf: nothing here holds a model whole, and
protobuf itself could not copy one of that size. Each step runs in a process of its own that has
imported TensorFlow and opened the reference. The files are read once before, so that they are in
the disk cache; peaks are read from Linux's /proc.

    python benchmarks/proving.py [--models FOLDER] [--steps STEP ...]

With a folder, the models are kept there for the next time.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from harness.correspondence import Correspondence, NormalModel, form_of
from harness.models.candidate import open_outline
from harness.models.model import Model
from harness.models.opening import open_model
from harness.subject import Request

INPUT, OUTPUT = "features", "prediction"
PRODUCER = 1087  # of TensorFlow 2.12: no node has a meaning of earlier versions


@dataclass(frozen=True, kw_only=True)
class Size:
    """A chain of layers, each a product with a square kernel and `additions` of a constant."""

    name: str
    layers: int
    width: int
    additions: int = 0

    @property
    def nodes(self) -> int:
        """How many nodes the reference has: three a product, two an addition, input and output."""
        return self.layers * (3 + 2 * self.additions) + 2

    @property
    def gigabytes(self) -> float:
        """How much the weights take."""
        return self.layers * self.width**2 * 4 / 1e9


HEAVY = Size(name="heavy", layers=24, width=4096)
MANY = Size(name="many", layers=200, width=8, additions=249)
TINY = Size(name="tiny", layers=2, width=8, additions=1)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What a step may take on a model."""

    seconds: float
    gigabytes: float


LIMITS = {
    ("bytes", HEAVY): Limit(seconds=5, gigabytes=0.7),
    ("proof", HEAVY): Limit(seconds=5, gigabytes=0.7),
    ("structure", MANY): Limit(seconds=10, gigabytes=0.7),
}


def compare_bytes(reference: Model, frozen: Path) -> None:
    """Hold every variable against the constant of its name, bit for bit: the least there is to do.

    Raises:
        AssertionError: one is not the same.
    """
    outline = open_outline(frozen, signature=reference.signature)
    for name, value in reference.weights.items():
        flat = value.reshape(-1)
        at = 0
        for piece in outline.constants.pieces(name):
            expected = flat[at : at + piece.size]
            assert np.array_equal(piece.view(np.uint8), expected.view(np.uint8)), name
            at += piece.size
        assert at == flat.size, name


def _correspondence(reference: Model, frozen: Path) -> Correspondence:
    outline = open_outline(frozen, signature=reference.signature)
    return Correspondence(
        *(NormalModel(model=each, form=form_of(each)) for each in (reference, outline))
    )


def match_structure(reference: Model, frozen: Path) -> None:
    """Match the two graphs.

    Raises:
        AssertionError: they are not one.
    """
    found = _correspondence(reference, frozen)
    assert not found.difference, found.difference
    assert not found.transforms


def prove(reference: Model, frozen: Path) -> None:
    """Do what the stages `weights` and `structure` do.

    Raises:
        AssertionError: something is not the same.
    """
    found = _correspondence(reference, frozen)
    assert not found.difference, found.difference
    assert not found.transforms
    assert found.weights.passed
    assert found.weights.places == len(reference.variables)


STEPS: dict[str, Callable[[Model, Path], None]] = {
    "bytes": compare_bytes,
    "structure": match_structure,
    "proof": prove,
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a step takes; `gigabytes` is the peak above what was held before."""

    seconds: float
    gigabytes: float


def measure(step: str, prefix: Path, tiny: Path) -> Measured:
    """Run one step on the model at `prefix`, after one on the `tiny` model."""
    STEPS[step](_opened(tiny), _frozen(tiny))  # no part of TensorFlow is loaded for the first time
    reference = _opened(prefix)
    gc.collect()
    before = _gigabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    start = time.perf_counter()
    STEPS[step](reference, _frozen(prefix))
    return Measured(seconds=time.perf_counter() - start, gigabytes=_gigabytes("VmHWM") - before)


def in_fresh_process(function: Callable[..., object], *arguments: object) -> object:
    """Return what a function finds in a process that has done nothing else."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as process:
        return process.submit(function, *arguments).result()


def _opened(prefix: Path) -> Model:
    return open_model(Request(path=prefix, inputs=(INPUT,), outputs=(OUTPUT,)))


def _frozen(prefix: Path) -> Path:
    return prefix.with_name("frozen.pb")


def _gigabytes(field: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024 / 1e9


def build(size: Size, folder: Path) -> Path:
    """Write checkpoint, .meta and frozen copy, unless they are there; return the prefix."""
    prefix = folder / size.name / "model.ckpt-1"
    if _frozen(prefix).is_file():
        return prefix
    prefix.parent.mkdir(parents=True, exist_ok=True)
    meta = MetaGraphDef()
    meta.graph_def.node.extend(_nodes(size))
    meta.graph_def.versions.producer = PRODUCER
    prefix.with_name(f"{prefix.name}.meta").write_bytes(meta.SerializeToString())
    kernels = [node.name for node in meta.graph_def.node if node.op == "VarHandleOp"]
    _write_checkpoint(prefix, kernels, size)
    unfinished = _frozen(prefix).with_suffix(".unfinished")
    _write_frozen(unfinished, meta.graph_def.node, size)
    unfinished.rename(_frozen(prefix))
    return prefix


def _nodes(size: Size) -> Iterator[NodeDef]:
    """Yield the nodes of the reference."""
    node = NodeDef(name=INPUT, op="Placeholder")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    for dim in (-1, size.width):
        node.attr["shape"].shape.dim.add(size=dim)
    yield node
    last = INPUT
    for layer in range(size.layers):
        kernel = f"layer_{layer}/kernel"
        handle = NodeDef(name=kernel, op="VarHandleOp")
        handle.attr["dtype"].type = tf.float32.as_datatype_enum
        handle.attr["shared_name"].s = kernel.encode()
        for _ in range(2):
            handle.attr["shape"].shape.dim.add(size=size.width)
        read = NodeDef(name=f"layer_{layer}/read", op="ReadVariableOp", input=[kernel])
        read.attr["dtype"].type = tf.float32.as_datatype_enum
        product = _of_floats(f"layer_{layer}/MatMul", "MatMul", last, read.name)
        yield from (handle, read, product)
        last = product.name
        for index in range(size.additions):
            term = NodeDef(name=f"layer_{layer}/term_{index}", op="Const")
            term.attr["dtype"].type = tf.float32.as_datatype_enum
            value = TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[layer + index])
            term.attr["value"].tensor.CopyFrom(value)
            yield term
            total = _of_floats(f"layer_{layer}/add_{index}", "AddV2", last, term.name)
            yield total
            last = total.name
    yield _of_floats(OUTPUT, "Tanh", last)


def _of_floats(name: str, op: str, *inputs: str) -> NodeDef:
    node = NodeDef(name=name, op=op, input=inputs)
    node.attr["T"].type = tf.float32.as_datatype_enum
    return node


def _kernel(name: str, size: Size) -> npt.NDArray[np.float32]:
    draw = np.random.default_rng(list(name.encode()))
    return draw.standard_normal((size.width, size.width), np.float32)


def _write_checkpoint(prefix: Path, names: Iterable[str], size: Size) -> None:
    parts = []
    for index, name in enumerate(names):
        parts.append(f"{prefix}_part_{index}")
        tf.raw_ops.SaveV2(
            prefix=parts[-1],
            tensor_names=[name],
            shape_and_slices=[""],
            tensors=[_kernel(name, size)],
        )
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(prefix))


def _write_frozen(path: Path, nodes: Iterable[NodeDef], size: Size) -> None:
    """Write the nodes as a GraphDef, each variable a constant and each read an Identity."""
    with path.open("wb") as file:
        for node in nodes:
            if node.op == "VarHandleOp":
                for part in _constant_record(node.name, _kernel(node.name, size)):
                    file.write(part)
            elif node.op == "ReadVariableOp":
                identity = _of_floats(node.name, "Identity", *node.input)
                file.write(_field(1, identity.SerializeToString()))
            else:
                file.write(_field(1, node.SerializeToString()))
        file.write(_field(4, _varint_field(1, PRODUCER)))


def _constant_record(name: str, value: npt.NDArray[np.float32]) -> Iterator[bytes | memoryview]:
    """Yield the parts of a GraphDef's field: a Const, in which protobuf never holds the value."""
    node = NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    tensor = TensorProto(dtype=tf.float32.as_datatype_enum)
    for dim in value.shape:
        tensor.tensor_shape.dim.add(size=dim)
    # The attribute's key and value, the value's tensor, the tensor's content.
    head = tensor.SerializeToString() + _head(4, value.nbytes)
    head = _head(8, len(head) + value.nbytes) + head
    head = _field(1, b"value") + _head(2, len(head) + value.nbytes) + head
    head = node.SerializeToString() + _head(5, len(head) + value.nbytes) + head
    yield _head(1, len(head) + value.nbytes) + head
    yield memoryview(value).cast("B")


def _field(number: int, content: bytes) -> bytes:
    return _head(number, len(content)) + content


def _head(number: int, length: int) -> bytes:
    """Return what stands before the `length` bytes of a message, a string or bytes."""
    return _varint(number << 3 | 2) + _varint(length)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _read_once(prefix: Path) -> None:
    """Bring the files of a model into the disk cache."""
    for file in prefix.parent.iterdir():
        with file.open("rb") as opened:
            while opened.read(1 << 24):
                pass


def main() -> int:
    """Print a line for each step; exit with 1 where one breaks a limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="folder in which the models are kept")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP")
    options = parser.parse_args()
    print(f"{'step':12}{'nodes':>9}{'weights':>10}{'seconds':>10}{'at most':>9}", end="")
    print(f"{'GB':>8}{'at most':>9}")
    faults = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.models or Path(scratch)
        tiny = in_fresh_process(build, TINY, folder)
        for (step, size), limit in LIMITS.items():
            if step not in options.steps:
                continue
            prefix = in_fresh_process(build, size, folder)
            assert isinstance(prefix, Path)
            _read_once(prefix)
            found = in_fresh_process(measure, step, prefix, tiny)
            assert isinstance(found, Measured)
            is_broken = found.seconds > limit.seconds or found.gigabytes > limit.gigabytes
            faults += is_broken
            print(
                f"{step:12}{size.nodes:>9,}{size.gigabytes:>7.2f} GB{found.seconds:>10.2f}", end=""
            )
            print(f"{limit.seconds:>9.1f}{found.gigabytes:>8.3f}{limit.gigabytes:>9.1f}", end="")
            print("   too much" if is_broken else "", flush=True)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
