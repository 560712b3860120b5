"""The tensors by which an input pipeline meets the model."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.graph.edges import edges_of
from harness.graph.pipeline import inside_a_pipeline, meeting_points


def points(graph_def: GraphDef) -> list[str]:
    edges = edges_of(graph_def)
    return list(meeting_points(edges, inside_a_pipeline(edges)))


def test_an_iterator_meets_the_model_at_each_tensor_that_is_read() -> None:
    with tf.Graph().as_default() as graph:
        dataset = tf.compat.v1.data.Dataset.from_tensor_slices((tf.zeros(8), tf.ones(8)))
        x, y = tf.compat.v1.data.make_initializable_iterator(dataset).get_next()
        tf.add(tf.square(x), y, name="sum")
        graph_def = graph.as_graph_def()
    assert points(graph_def) == ["IteratorGetNext", "IteratorGetNext:1"]


def queue_of_examples() -> GraphDef:
    """File names -> reader -> parsed and decoded -> a queue of batches -> `model`."""
    with tf.Graph().as_default() as graph, tf.compat.v1.variable_scope("input"):
        names = tf.compat.v1.train.string_input_producer(["a.tfrecord"])
        _, record = tf.compat.v1.TFRecordReader().read(names)
        parsed = tf.compat.v1.parse_single_example(
            record, {"image": tf.io.FixedLenFeature((), tf.string)}
        )
        image = tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), (4,))
        batch = tf.compat.v1.train.batch([image], 2)
        tf.cast(batch, tf.float32, name="model")
        return graph.as_graph_def()


def test_a_queue_meets_the_model_behind_its_last_dequeue() -> None:
    """Not where records are read and decoded: that is done before they are queued."""
    assert points(queue_of_examples()) == ["input/batch"]


def test_what_fills_a_queue_is_inside_the_pipeline() -> None:
    inside = inside_a_pipeline(edges_of(queue_of_examples()))
    assert {"input/Reshape", "input/DecodeRaw", "input/ReaderReadV2"} <= inside
    assert "input/batch" not in inside
    assert "input/model" not in inside


def test_a_record_that_is_parsed_without_a_queue_meets_the_model_parsed() -> None:
    with tf.Graph().as_default() as graph:
        names = tf.compat.v1.train.string_input_producer(["a.tfrecord"])
        _, record = tf.compat.v1.TFRecordReader().read(names)
        raw = tf.io.decode_raw(record, tf.uint8, name="decoded")
        tf.cast(raw, tf.float32, name="model")
        graph_def = graph.as_graph_def()
    assert points(graph_def) == ["decoded"]


def test_a_file_meets_the_model_decoded(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        data = tf.io.read_file(str(tmp_path / "picture.jpg"))
        tf.cast(tf.io.decode_jpeg(data, name="picture"), tf.float32, name="model")
        graph_def = graph.as_graph_def()
    assert points(graph_def) == ["picture"]


def test_bytes_that_are_fed_and_decoded_are_the_model_s_own() -> None:
    """A served model that decodes pictures takes their bytes: the placeholder is its input."""
    with tf.Graph().as_default() as graph:
        data = tf.compat.v1.placeholder(tf.string, (), name="bytes")
        tf.cast(tf.io.decode_jpeg(data, name="picture"), tf.float32, name="model")
        graph_def = graph.as_graph_def()
    assert points(graph_def) == []


def test_what_is_computed_with_weights_is_the_model_s_though_it_is_put_into_a_queue() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
        y = tf.matmul(x, tf.compat.v1.get_variable("w", (4, 4), use_resource=False), name="y")
        tf.queue.FIFOQueue(8, [tf.float32], [(4,)]).enqueue_many(y)
        graph_def = graph.as_graph_def()
    assert "y" not in inside_a_pipeline(edges_of(graph_def))


def test_what_fills_a_queue_does_not_meet_the_model() -> None:
    """A reader that is dequeued from behind a queue of file names is inside the pipeline."""
    assert "input/ReaderReadV2" not in points(queue_of_examples())
