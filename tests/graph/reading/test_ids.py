"""Numbers of rows and classes: what they are limited to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from harness.domain import Choices, Domain, Range

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]


def ids(dtype: tf.DType = tf.int32, shape: tuple[int | None, ...] | None = (None,)) -> tf.Tensor:
    return tf1.placeholder(dtype, shape, name="ids")


def table(rows: int, name: str = "table", *, use_resource: bool = False) -> tf.Variable:
    return tf1.get_variable(name, (rows, 3), use_resource=use_resource)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("use_resource", [False, True])
def test_ids_are_below_the_rows_of_the_variable(read: Read, use_resource: bool) -> None:
    tf.nn.embedding_lookup(table(50, use_resource=use_resource), ids(), name="out")

    assert read()["ids"] == Domain(values=Range(low=0, high=49), read_from=read()["ids"].read_from)
    assert "embedding_lookup" in read()["ids"].read_from or "out" in read()["ids"].read_from


@pytest.mark.usefixtures("graph")
def test_ids_are_below_the_rows_of_a_constant(read: Read) -> None:
    tf.gather(tf.ones((7, 2)), ids(), name="out")
    assert read()["ids"] == Domain(values=Range(low=0, high=6), read_from="out")


@pytest.mark.usefixtures("graph")
def test_the_axis_that_is_gathered_along_counts(read: Read) -> None:
    tf.gather(tf.ones((7, 5, 2)), ids(), axis=1, name="out")
    assert read()["ids"].values == Range(low=0, high=4)


@pytest.mark.usefixtures("graph")
def test_several_tables_allow_what_the_smallest_does(read: Read) -> None:
    x = ids()
    tf.add(tf.gather(table(9, "a"), x), tf.gather(table(5, "b"), x), name="out")
    assert read()["ids"].values == Range(low=0, high=4)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize(
    "on_the_way",
    [
        pytest.param(lambda x: tf.cast(tf.cast(x, tf.int64), tf.int32), id="cast"),
        pytest.param(lambda x: tf.reshape(x, (-1, 2)), id="reshaped"),
        pytest.param(lambda x: tf.transpose(tf.expand_dims(x, 1)), id="transposed"),
        pytest.param(lambda x: x[1:], id="sliced"),
        pytest.param(lambda x: tf.concat([x, [0]], axis=0), id="mixed"),
        pytest.param(lambda x: tf.unique(x)[0], id="unique"),
        pytest.param(lambda x: tf.split(x, 2)[1], id="split"),
        pytest.param(lambda x: tf.stop_gradient(tf.identity_n([x, x])[1]), id="passed on"),
    ],
)
def test_what_only_rearranges_ids_is_followed(
    read: Read, on_the_way: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    tf.gather(table(6), on_the_way(ids()), name="out")
    assert read()["ids"].values == Range(low=0, high=5)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize(
    "on_the_way",
    [
        pytest.param(lambda x: tf.minimum(tf.maximum(x, 0), 5), id="clipped"),
        pytest.param(lambda x: x % 6, id="hashed"),
        pytest.param(lambda x: tf.cast(tf.random.uniform(tf.shape(x)) * 5, tf.int32), id="shape"),
    ],
)
def test_what_is_computed_of_ids_does_not_limit_them(
    read: Read, on_the_way: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    tf.gather(table(6), on_the_way(ids()), name="out")
    assert read()["ids"].values is None


@pytest.mark.usefixtures("graph")
def test_ids_that_count_from_1_are_moved(read: Read) -> None:
    tf.gather(table(6), ids() - 1, name="out")
    assert read()["ids"].values == Range(low=1, high=6)


@pytest.mark.usefixtures("graph")
def test_columns_of_floats_that_hold_ids_are_ids(read: Read) -> None:
    features = tf1.placeholder(tf.float32, (None, 3), name="features")
    tf.gather(table(6), tf.cast(features[:, 0], tf.int32), name="out")
    assert read()["features"].values == Range(low=0.0, high=5.0)


@pytest.mark.usefixtures("graph")
def test_the_depth_of_one_hot_limits(read: Read) -> None:
    tf.one_hot(ids(), 4, name="out")
    assert read()["ids"].values == Range(low=0, high=3)


@pytest.mark.usefixtures("graph")
def test_index_vectors_select_from_the_smallest_axis(read: Read) -> None:
    tf.gather_nd(tf.ones((4, 9, 2)), ids(shape=(None, 2)), name="out")
    assert read()["ids"].values == Range(low=0, high=3)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("use_resource", [False, True])
def test_the_rows_of_all_shards_are_the_tables(
    read: Read, strategy: str, use_resource: bool
) -> None:
    partitioner = tf1.fixed_size_partitioner(3)
    shards = tf1.get_variable("table", (10, 2), partitioner=partitioner, use_resource=use_resource)
    rows = tf1.nn.embedding_lookup(shards, ids(), partition_strategy=strategy)
    tf.identity(rows, name="out")
    assert read()["ids"].values == Range(low=0, high=9)


@pytest.mark.usefixtures("graph")
def test_hashed_ids_of_a_table_in_shards_are_not_limited(read: Read) -> None:
    shards = tf1.get_variable("table", (10, 2), partitioner=tf1.fixed_size_partitioner(2))
    rows = tf1.nn.embedding_lookup(shards, ids() % 10, partition_strategy="mod")
    tf.identity(rows, name="out")
    assert read()["ids"].values is None


@pytest.mark.usefixtures("graph")
def test_segments_must_be_in_order_and_are_all_the_first(read: Read) -> None:
    tf.math.segment_sum(tf1.placeholder(tf.float32, (None, 2), name="x"), ids(), name="out")
    assert read()["ids"].values == Choices(values=(0,))


@pytest.mark.usefixtures("graph")
def test_segments_in_any_order_are_below_their_number(read: Read) -> None:
    x = tf1.placeholder(tf.float32, (None, 2), name="x")
    tf.math.unsorted_segment_sum(x, ids(), 5, name="out")
    assert read()["ids"].values == Range(low=0, high=4)


@pytest.mark.usefixtures("graph")
def test_labels_of_a_loss_are_classes(read: Read) -> None:
    logits = tf1.placeholder(tf.float32, (None, 8), name="logits")
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids(), logits=logits)
    tf.identity(loss, name="out")
    assert read()["ids"].values == Range(low=0, high=7)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("v2", [False, True], ids=["V1", "V2"])
def test_ids_are_followed_into_a_loop(read: Read, v2: bool) -> None:
    (tf1.enable_control_flow_v2 if v2 else tf1.disable_control_flow_v2)()
    try:
        weights = table(12)
        rows = tf.map_fn(lambda x: tf.gather(weights, x), ids(), dtype=tf.float32)
    finally:
        tf1.enable_control_flow_v2()
    tf.identity(rows, name="out")
    assert read()["ids"].values == Range(low=0, high=11)


def test_ids_are_followed_into_the_functions_of_a_saved_model(read_saved: Read) -> None:
    class Words(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = tf.Variable(tf.ones((20, 2)))

        @tf.function
        def look_up(self, ids: tf.Tensor, is_doubled: tf.Tensor) -> tf.Tensor:
            return tf.cond(
                is_doubled,
                lambda: 2 * tf.gather(self.table, ids),
                lambda: tf.gather(self.table, ids),
            )

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.bool)])
        def serve(self, ids: tf.Tensor, is_doubled: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"out": self.look_up(ids, is_doubled)}

    domains = read_saved(Words())

    assert domains["ids"].values == Range(low=0, high=19)
    assert domains["is_doubled"].values is None


def test_what_a_case_chooses_by_is_below_its_branches(read_saved: Read) -> None:
    class Cases(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((), tf.int32, name="which")])
        def serve(self, which: tf.Tensor) -> dict[str, tf.Tensor]:
            branches = [lambda value=value: tf.constant(value) for value in (1.0, 2.0, 3.0)]
            return {"out": tf.switch_case(which, branches)}

    domain = read_saved(Cases())["which"]

    assert domain.values == Range(low=0, high=2)
    assert "chosen_by" not in domain.read_from


@pytest.mark.usefixtures("graph")
def test_of_the_rows_of_another_input_there_is_the_first(read: Read) -> None:
    """Edges of a graph, that name nodes: as many as are fed."""
    nodes = tf1.placeholder(tf.float32, (None, 3), name="nodes")
    tf.gather(nodes, ids(), name="out")
    assert read()["ids"].values == Range(low=0, high=0)
    assert read()["nodes"] == Domain()


@pytest.mark.usefixtures("graph")
def test_what_takes_any_number_limits_to_none_that_is_known(read: Read) -> None:
    tf.one_hot(ids(), tf1.placeholder(tf.int32, (), name="depth"), name="out")
    assert read()["ids"] == Domain()
