"""A large batch, and pictures of the size that the graph resizes to, are tried once."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.domain import Axis, Domain
from harness.graph.sizes.once import with_sizes_tried_once
from harness.signature import Signature, TensorSpec

BATCH = Axis(name="batch", sizes=tuple(range(9)))
HEIGHT = Axis(name="height", sizes=tuple(range(33)))
WIDTH = Axis(name="width", sizes=tuple(range(33)))


def signature_of(domains: dict[str, Domain], dtype: str = "float32") -> Signature:
    specs = (
        TensorSpec(
            name=name,
            dtype=dtype,
            shape=tuple(None if isinstance(s, Axis) else s for s in domain.shape or ()),
        )
        for name, domain in domains.items()
    )
    return Signature(inputs=tuple(specs), outputs=())


def passed_on(domains: dict[str, Domain]) -> GraphDef:
    """A graph that computes nothing larger than its inputs."""
    with tf.Graph().as_default() as graph:
        for spec in signature_of(domains).inputs:
            tf.identity(tf.compat.v1.placeholder(tf.float32, spec.shape, name=spec.name))
        return graph.as_graph_def()


def once(
    *shape: int | Axis, graph_def: GraphDef | None = None, dtype: str = "float32"
) -> dict[str, tuple[int, ...]]:
    """The sizes tried once, by axis, of an input of that shape."""
    domains = {"x": Domain(shape=shape)}
    signature = signature_of(domains, dtype)
    found = with_sizes_tried_once(domains, graph_def or passed_on(domains), signature)
    (domain,) = found.values()
    return {axis.name: axis.once for axis in domain.shape or () if isinstance(axis, Axis)}


def resizing(method: str, *size: int) -> GraphDef:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
        tf.image.resize(x, size, method=method)
        return graph.as_graph_def()


@pytest.mark.parametrize(
    ("row", "batch"), [((4,), 512), ((100, 100), 104), ((), 512), ((2, HEIGHT), 512)]
)
def test_a_large_batch_is_as_many_rows_as_cost_little(
    row: tuple[int | Axis, ...], batch: int
) -> None:
    assert once(BATCH, *row)["batch"] == (batch,)


def test_a_batch_of_large_rows_is_not_made_larger() -> None:
    assert once(BATCH, 1000, 1000)["batch"] == ()


def test_the_largest_of_several_inputs_says_how_many_rows() -> None:
    domains = {"x": Domain(shape=(BATCH, 4)), "y": Domain(shape=(BATCH, 100, 100))}
    found = with_sizes_tried_once(domains, passed_on(domains), signature_of(domains))
    assert [domain.shape[0] for domain in found.values() if domain.shape] == [
        Axis(name="batch", sizes=BATCH.sizes, once=(104,))
    ] * 2


def test_a_batch_that_is_narrowed_stays_so() -> None:
    narrowed = Axis(name="batch", sizes=(2, 4))
    assert once(narrowed, 4) == {"batch": ()}


@pytest.mark.parametrize("method", ["bilinear", "nearest", "bicubic", "area"])
def test_pictures_are_tried_in_the_size_that_the_graph_resizes_to(method: str) -> None:
    found = once(BATCH, HEIGHT, WIDTH, 3, graph_def=resizing(method, 28, 14))
    assert (found["height"], found["width"]) == ((28,), (14,))


def test_sides_that_shape_functions_limit_are_left_alone() -> None:
    limited = Axis(name="height", sizes=(7, 8), refused_by="conv")
    found = once(BATCH, limited, WIDTH, 3, graph_def=resizing("bilinear", 28, 14))
    assert (found["height"], found["width"]) == ((), (14,))


def test_an_input_of_unknown_rank_is_left_alone() -> None:
    domains = {"x": Domain()}
    assert with_sizes_tried_once(domains, GraphDef(), signature_of(domains)) == domains


def widened(columns: int) -> GraphDef:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        tf.tile(x, [1, columns // 4])
        return graph.as_graph_def()


def test_the_largest_tensor_that_is_computed_says_how_many_rows() -> None:
    assert once(BATCH, 4, graph_def=widened(2**16))["batch"] == (64,)
    assert once(BATCH, 4, graph_def=widened(2**22))["batch"] == ()


def test_what_strings_hold_is_not_known_and_may_be_large() -> None:
    assert once(BATCH, dtype="string")["batch"] == ()
