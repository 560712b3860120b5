"""Sparse tensors that are fed in three parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from harness.domain import BATCH, Axis, Domain, Range, SizeOf, Sparse

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]

SIZES = tuple(range(1, 17))


def sparse(name: str | None = "s", dtype: tf.DType = tf.float32) -> tf.SparseTensor:
    return tf1.sparse_placeholder(dtype, name=name)


@pytest.mark.usefixtures("graph")
def test_three_inputs_that_an_op_takes_for_one_are_drawn_together(read: Read) -> None:
    tf.sparse.sparse_dense_matmul(sparse(), tf.ones((5, 2)), name="out")

    domains = read("out/SparseTensorDenseMatMul")

    assert domains["s/indices"].values == Sparse(
        values="s/values",
        dense_shape="s/shape",
        shape=(Axis(name="s/indices.rows", sizes=SIZES), 5),
    )
    assert domains["s/indices"].read_from == "out/SparseTensorDenseMatMul"
    assert domains["s/values"] == domains["s/shape"] == Domain()


@pytest.mark.usefixtures("graph")
def test_an_adjoint_is_multiplied_along_its_rows(read: Read) -> None:
    weights = tf1.get_variable("w", (4, 7), use_resource=False)
    product = tf.sparse.sparse_dense_matmul(sparse(), weights, adjoint_a=True, adjoint_b=True)
    tf.identity(product, name="out")
    values = read()["s/indices"].values
    assert isinstance(values, Sparse)
    assert values.shape[0] == 7
    assert isinstance(values.shape[1], Axis)


@pytest.mark.usefixtures("graph")
def test_parts_without_names_are_told_by_their_places(read: Read) -> None:
    tf.identity(tf.sparse.to_dense(tf.sparse.reorder(sparse(None))), name="out")
    parts = {name: each for name, each in read().items() if isinstance(each.values, Sparse)}
    ((name, domain),) = parts.items()
    assert isinstance(domain.values, Sparse)
    members = {name, domain.values.values, domain.values.dense_shape}
    assert members == set(read())


@pytest.mark.usefixtures("graph")
def test_ids_in_a_sparse_tensor_are_ids(read: Read) -> None:
    ids = sparse(dtype=tf.int64)
    table = tf1.get_variable("table", (20, 3), use_resource=False)
    rows = tf1.nn.embedding_lookup_sparse(table, ids, None, combiner="mean")
    tf.identity(rows, name="out")

    domains = read()

    assert domains["s/values"].values == Range(low=0, high=19)
    values = domains["s/indices"].values
    assert isinstance(values, Sparse)
    assert values.values == "s/values"
    assert values.shape[0] == Axis(name=BATCH, sizes=tuple(range(1, 9)))


@pytest.mark.usefixtures("graph")
def test_ids_that_are_looked_up_safely_are_drawn_together(read: Read) -> None:
    indices = tf1.placeholder(tf.int64, (None, 2), name="i")
    ids = tf1.placeholder(tf.int64, (None,), name="v")
    shape = tf1.placeholder(tf.int64, (2,), name="n")
    table = tf1.get_variable("table", (20, 3), use_resource=False)
    rows = tf1.nn.safe_embedding_lookup_sparse([table], tf.SparseTensor(indices, ids, shape))
    tf.identity(rows, name="out")

    domains = read()

    assert domains["v"].values == Range(low=0, high=19)
    assert isinstance(domains["i"].values, Sparse)
    assert (domains["i"].values.values, domains["i"].values.dense_shape) == ("v", "n")


@pytest.mark.usefixtures("graph")
def test_parts_that_no_op_takes_together_are_told_by_looking_ids_up(read: Read) -> None:
    indices = tf1.placeholder(tf.int64, (None, 2), name="i")
    ids = tf1.placeholder(tf.int64, (None,), name="v")
    segments = tf.cast(indices[:, 0], tf.int32)
    tf.sparse.segment_sum(tf.ones((6, 2)), ids, segments, name="out")

    domains = read()

    assert isinstance(domains["i"].values, Sparse)
    assert (domains["i"].values.values, domains["i"].values.dense_shape) == ("v", "")
    assert domains["v"].values == Range(low=0, high=5)


@pytest.mark.usefixtures("graph")
def test_a_size_of_the_dense_tensor_may_be_stated(read: Read) -> None:
    """As in TensorFlow Transform: `[shape[0], 1]`."""
    x = sparse()
    shape = tf.stack([x.dense_shape[0], 1])
    tf.raw_ops.SparseToDense(
        sparse_indices=x.indices, output_shape=shape, sparse_values=x.values, default_value=0.0,
        name="out",
    )  # fmt: skip
    assert read()["s/indices"].values == Sparse(
        values="s/values",
        dense_shape="s/shape",
        shape=(Axis(name=BATCH, sizes=tuple(range(1, 9))), 1),
    )


@pytest.mark.usefixtures("graph")
def test_entries_that_are_dropped_are_counted(read: Read) -> None:
    """Dropout of a sparse tensor, as in the graph convolution of Kipf and Welling."""
    x, count = sparse(), tf1.placeholder(tf.int32, (None,), name="count")
    kept = tf.cast(tf.floor(0.5 + tf.random.uniform(count)), tf.bool)
    dropped = tf.sparse.retain(x, kept) * 2.0
    tf.identity(tf.sparse.sparse_dense_matmul(dropped, tf.ones((5, 2))), name="out")

    domains = read()

    assert domains["count"].values == SizeOf(of="s/indices", axis=0) or domains[
        "count"
    ].values == SizeOf(of="s/values", axis=0)
    assert domains["count"].shape == (1,)
    assert isinstance(domains["s/indices"].values, Sparse)


@pytest.mark.usefixtures("graph")
def test_dense_inputs_are_no_parts(read: Read) -> None:
    a = tf1.placeholder(tf.int64, (None, 2), name="a")
    b = tf1.placeholder(tf.int64, (None, 2), name="b")
    tf.add(a, b, name="out")
    assert read() == {"a": Domain(), "b": Domain()}


@pytest.mark.usefixtures("graph")
def test_indices_of_constants_are_no_parts(read: Read) -> None:
    values = tf1.placeholder(tf.float32, (2,), name="v")
    tf.sparse.to_dense(tf.SparseTensor([[0, 1], [1, 0]], values, (2, 2)), name="out")
    assert read() == {"v": Domain()}


def test_parts_are_told_in_a_saved_model(read_saved: Read) -> None:
    class Model(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, 2), tf.int64),
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((2,), tf.int64),
            ]
        )
        def serve(self, i: tf.Tensor, v: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
            x = tf.SparseTensor(i, v, n)
            return {"out": tf.sparse.sparse_dense_matmul(x, tf.ones((3, 2)))}

    domain = read_saved(Model())["i"]

    assert isinstance(domain.values, Sparse)
    assert (domain.values.values, domain.values.dense_shape) == (
        "serving_default_v",
        "serving_default_n",
    )


@pytest.mark.usefixtures("graph")
def test_a_shape_that_is_open_by_default_is_a_part(read: Read) -> None:
    """`tf.sparse.placeholder` gives the shape a default, with -1 for sizes that are not known."""
    x = tf1.sparse_placeholder(tf.float32, (None, 5), name="s")
    tf.identity(tf.sparse.sparse_dense_matmul(x, tf.ones((5, 2))), name="out")
    values = read()["s/indices"].values
    assert isinstance(values, Sparse)
    assert values.dense_shape == "s/shape"


@pytest.mark.usefixtures("graph")
def test_what_several_ops_say_of_the_sizes_is_brought_together(read: Read) -> None:
    x = tf.sparse.reorder(sparse())
    tf.identity(tf.sparse.sparse_dense_matmul(x, tf.ones((5, 2))), name="out")
    values = read()["s/indices"].values
    assert isinstance(values, Sparse)
    assert values.shape[1] == 5
