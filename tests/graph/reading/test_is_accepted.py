"""What is drawn of the values that were read is accepted when the graph is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.domain import Domain
from harness.graph.reading.values import read_values
from harness.inputs.strategies import from_signature
from harness.models.model import Model

tf1 = tf.compat.v1
Accepts = Callable[..., None]


@pytest.fixture
def accepts(extracted: Callable[..., Model], graph: tf.Graph) -> Accepts:
    """Run the graph on 30 examples."""

    def run(*outputs: str) -> None:
        model = extracted(graph.as_graph_def(), outputs or ("out",))
        domains = read_values(model.graph_def, model.signature)
        assert any(domain != Domain() for domain in domains.values())
        with tf1.Session(graph=graph) as session:
            session.run(tf1.global_variables_initializer())
            fetches = [f"{name}:0" for name in outputs or ("out",)]
            run = session.make_callable(
                fetches, [f"{spec.name}:0" for spec in model.signature.inputs]
            )

            @settings(max_examples=30, database=None, suppress_health_check=list(HealthCheck))
            @given(st.data())
            def examples(data: st.DataObject) -> None:
                feeds: dict[str, Any] = data.draw(from_signature(model.signature, domains=domains))
                run(*(np.asarray(feeds[spec.name]) for spec in model.signature.inputs))

            examples()

    return run


def placeholder(dtype: tf.DType, shape: tuple[int | None, ...] | None, name: str) -> tf.Tensor:
    return tf1.placeholder(dtype, shape, name=name)


def test_ids_of_a_table_in_shards(accepts: Accepts) -> None:
    ids = placeholder(tf.int32, (None, None), "ids")
    shards = tf1.get_variable("t", (10, 2), partitioner=tf1.fixed_size_partitioner(3))
    tf.identity(tf1.nn.embedding_lookup(shards, ids, partition_strategy="div"), name="out")
    accepts()


def test_ids_that_count_from_1_in_a_loop(accepts: Accepts) -> None:
    tf1.disable_control_flow_v2()
    weights = tf1.get_variable("w", (5, 2))
    ids = placeholder(tf.int64, (None,), "ids")
    rows = tf.map_fn(lambda x: tf.gather(weights, x - 1), ids, dtype=tf.float32)
    tf1.enable_control_flow_v2()
    tf.identity(rows, name="out")
    accepts()


def test_axes_shapes_and_counts(accepts: Accepts) -> None:
    x = placeholder(tf.float32, (None, 4), "x")
    total = tf.reduce_sum(x, placeholder(tf.int32, (), "axis"))
    largest, _ = tf.nn.top_k(x, placeholder(tf.int32, (), "k"))
    shaped = tf.reshape(x, placeholder(tf.int32, (3,), "shape"))
    states = x + tf.zeros(tf.stack([placeholder(tf.int32, (), "batch_size"), 4]))
    chosen = x[:, placeholder(tf.int32, (), "index")]
    parts = [total, largest, shaped, states, chosen]
    tf.add_n([tf.reduce_sum(part) for part in parts], name="out")
    accepts()


def test_sparse_parts_of_a_product(accepts: Accepts) -> None:
    x = tf1.sparse_placeholder(tf.float32, name="s")
    tf.identity(tf.sparse.sparse_dense_matmul(x, tf.ones((5, 2))), name="out")
    accepts()


def test_sparse_ids(accepts: Accepts) -> None:
    ids = tf1.sparse_placeholder(tf.int64, name="s")
    table = tf1.get_variable("table", (20, 3))
    tf.identity(tf1.nn.safe_embedding_lookup_sparse([table], ids), name="out")
    accepts()


def test_lengths_of_a_reversed_sequence(accepts: Accepts) -> None:
    x = placeholder(tf.float32, (None, None, 2), "x")
    lengths = placeholder(tf.int32, (None,), "lengths")
    tf.reverse_sequence(x, lengths, seq_axis=1, name="out")
    accepts()


def test_pictures_one_by_one(accepts: Accepts) -> None:
    encoded = placeholder(tf.string, (None,), "x")
    tf.map_fn(lambda each: tf.io.decode_png(each, 3), encoded, dtype=tf.uint8, name="map")
    tf.identity(tf1.get_default_graph().get_operations()[-1].outputs[0], name="out")
    accepts()


def test_examples_with_pictures_and_ids(accepts: Accepts) -> None:
    features = tf.io.parse_example(
        placeholder(tf.string, (None,), "x"),
        {
            "picture": tf.io.FixedLenFeature((), tf.string),
            "id": tf.io.FixedLenFeature((2,), tf.int64),
            "words": tf.io.VarLenFeature(tf.string),
        },
    )
    rows = tf.gather(tf.ones((5, 2)), features["id"])
    picture = tf.io.decode_jpeg(features["picture"][0], 1)
    tf.reduce_sum(rows) + tf.reduce_sum(tf.cast(picture, tf.float32))
    tf.identity(tf1.get_default_graph().get_operations()[-1].outputs[0], name="out")
    accepts()


def test_lines_of_csv_with_ids(accepts: Accepts) -> None:
    line = placeholder(tf.string, (None,), "x")
    number, row = tf.io.decode_csv(line, [[0.5], tf.constant([], tf.int32)])
    rows = tf.gather(tf.ones((5,)), row)
    tf.add(number, rows, name="out")
    accepts()


def test_texts_of_ids(accepts: Accepts) -> None:
    ids = tf.strings.to_number(placeholder(tf.string, (None,), "x"), tf.int32)
    tf.gather(tf.ones((7, 2)), ids, name="out")
    accepts()


def test_sounds(accepts: Accepts) -> None:
    tf.identity(tf.audio.decode_wav(placeholder(tf.string, (), "x"), 2)[0], name="out")
    accepts()


def test_values_that_are_asserted(accepts: Accepts) -> None:
    x = placeholder(tf.int32, (None,), "x")
    with tf.control_dependencies([tf1.assert_less(x, 9), tf1.assert_non_negative(x)]):
        tf.identity(x, name="out")
    accepts()


def test_a_keep_probability(accepts: Accepts) -> None:
    keep_prob = placeholder(tf.float32, None, "keep_prob")
    x = placeholder(tf.float32, (None, 4), "x")
    tf.identity(tf1.nn.dropout(x, keep_prob), name="out")
    accepts()
