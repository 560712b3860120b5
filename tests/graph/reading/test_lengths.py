"""Lengths of sequences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from harness.domain import Domain, Lengths, Range, SizeOf

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]

pytestmark = pytest.mark.usefixtures("graph")


def x(shape: tuple[int | None, ...] = (None, None, 3)) -> tf.Tensor:
    return tf1.placeholder(tf.float32, shape, name="x")


def lengths(shape: tuple[int | None, ...] | None = (None,)) -> tf.Tensor:
    return tf1.placeholder(tf.int32, shape, name="lengths")


def recurrent(data: tf.Tensor, count: tf.Tensor, *, v2: bool, time_major: bool = False) -> None:
    """What `tf.nn.dynamic_rnn` builds, in short: a loop over time, with a copy past the end."""
    (tf1.enable_control_flow_v2 if v2 else tf1.disable_control_flow_v2)()
    try:
        steps = data if time_major else tf.transpose(data, (1, 0, 2))
        time_steps = tf.shape(steps)[0]
        read = tf.TensorArray(tf.float32, time_steps).unstack(steps)
        start = tf.zeros((tf.shape(steps)[1], 3))

        def step(time: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            further = tf.tanh(state + read.read(time))
            return time + 1, tf.where((time >= count)[:, tf.newaxis], state, further)

        bound = tf.minimum(time_steps, tf.maximum(1, tf.reduce_max(count)))
        last = tf.while_loop(
            lambda time, _: time < bound,
            step,
            (tf.constant(0), start),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, 3))),
        )
        tf.identity(last[1], name="out")
    finally:
        tf1.enable_control_flow_v2()


@pytest.mark.parametrize("v2", [False, True], ids=["V1", "V2"])
def test_lengths_of_a_recurrent_network_follow_the_time_axis(read: Read, v2: bool) -> None:
    recurrent(x(), lengths(), v2=v2)
    domain = read()["lengths"]
    assert domain.values == Lengths(of="x", axis=1)
    assert "reater" in domain.read_from


@pytest.mark.parametrize("v2", [False, True], ids=["V1", "V2"])
def test_the_time_may_come_first(read: Read, v2: bool) -> None:
    recurrent(x(), lengths(), v2=v2, time_major=True)
    assert read()["lengths"].values == Lengths(of="x", axis=0)


def test_a_batch_that_is_baked_in_is_the_shape_of_the_lengths(read: Read) -> None:
    recurrent(x((4, None, 3)), lengths(), v2=False)
    assert read()["lengths"].shape == (4,)


def test_a_time_that_is_baked_in_is_the_longest(read: Read) -> None:
    data = tf.concat([x((None, 2, 3)), tf.zeros((1, 2, 3))], axis=1)
    tf.reverse_sequence(data, lengths(), seq_axis=1, name="out")
    assert read()["lengths"].values == Range(low=1, high=4)


def test_a_sequence_is_reversed_up_to_its_length(read: Read) -> None:
    tf.reverse_sequence(x(), lengths(), seq_axis=1, batch_axis=0, name="out")
    assert read()["lengths"] == Domain(values=Lengths(of="x", axis=1), read_from="out")


def test_convolutions_that_shorten_the_time_are_counted(read: Read) -> None:
    shorter = tf.nn.conv1d(x(), tf.ones((3, 3, 5)), stride=2, padding="SAME")
    shorter = tf.nn.max_pool1d(shorter, 2, 2, "SAME")
    tf.reverse_sequence(shorter, lengths(), seq_axis=1, name="out")
    assert read()["lengths"].values == Lengths(of="x", axis=1, divisor=4)


@pytest.mark.parametrize("decode", [tf.nn.ctc_greedy_decoder, tf.nn.ctc_beam_search_decoder])
def test_a_decoder_of_ctc_takes_no_more_than_the_time(
    read: Read, decode: Callable[..., tuple[list[tf.SparseTensor], tf.Tensor]]
) -> None:
    paths, _ = decode(x(), lengths())
    tf.identity(paths[0].values, name="out")
    assert read()["lengths"].values == Lengths(of="x", axis=0)


def test_behind_a_loop_the_time_is_that_of_the_loop(read: Read) -> None:
    tf1.disable_control_flow_v2()
    try:
        steps = tf.transpose(x(), (1, 0, 2))
        time_steps = tf.shape(steps)[0]
        array = tf.TensorArray(tf.float32, time_steps).unstack(steps)
        result = tf.TensorArray(tf.float32, time_steps)
        _, result = tf.while_loop(
            lambda time, _: time < time_steps,
            lambda time, written: (time + 1, written.write(time, array.read(time) * 2.0)),
            (0, result),
        )
        logits = result.stack()
    finally:
        tf1.enable_control_flow_v2()
    logits.set_shape((None, None, 3))
    tf.identity(tf.nn.ctc_greedy_decoder(logits, lengths())[0][0].values, name="out")
    assert read()["lengths"].values == Lengths(of="x", axis=1)


def test_a_scalar_is_no_vector_of_lengths(read: Read) -> None:
    """It is how many rounds the loop makes."""
    limit = lengths(())
    rounds = tf.while_loop(lambda i, _: i < limit, lambda i, y: (i + 1, y * 2.0), (0, x()))
    tf.identity(rounds[1], name="out")
    assert read()["lengths"].values == Range(low=0, high=10)


def test_a_mask_up_to_the_longest_fits_if_all_are_as_long_as_the_data(read: Read) -> None:
    mask = tf.sequence_mask(lengths(), dtype=tf.float32)
    tf.multiply(x(), mask[:, :, tf.newaxis], name="out")
    assert read()["lengths"].values == SizeOf(of="x", axis=1)


def test_a_mask_of_as_many_steps_as_the_data_has_any_lengths(read: Read) -> None:
    data = x()
    mask = tf.sequence_mask(lengths(), maxlen=tf.shape(data)[1], dtype=tf.float32)
    tf.multiply(data, mask[:, :, tf.newaxis], name="out")
    assert read()["lengths"].values == Lengths(of="x", axis=1)


def test_a_mask_of_a_fixed_number_of_steps_limits_the_lengths(read: Read) -> None:
    tf.sequence_mask(lengths(), maxlen=7, name="out")
    names = [op.name for op in tf1.get_default_graph().get_operations() if op.type == "Less"]
    assert read(*names)["lengths"].values == Range(low=1, high=7)
