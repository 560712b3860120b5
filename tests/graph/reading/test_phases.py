"""Flags and rates by which a model is told whether it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import tensorflow as tf

from harness.domain import Domain, Phase

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]

OFF = Phase(inference=False, training=True)


def flag(name: str, shape: tuple[int, ...] | None = ()) -> tf.Tensor:
    return tf1.placeholder(tf.bool, shape, name=name)


def x() -> tf.Tensor:
    return tf1.placeholder(tf.float32, (None, 4), name="x")


@pytest.fixture(params=["V1", "V2"])
def control_flow(request: pytest.FixtureRequest) -> Iterator[None]:
    (tf1.enable_control_flow_v2 if request.param == "V2" else tf1.disable_control_flow_v2)()
    yield
    tf1.enable_control_flow_v2()


@pytest.mark.usefixtures("graph", "control_flow")
@pytest.mark.parametrize("name", ["is_training", "phase_train", "train", "model/learning_phase"])
def test_a_flag_is_told_by_its_name(read: Read, name: str) -> None:
    data = x()
    tf.identity(tf.cond(flag(name), lambda: 2 * data, lambda: data), name="out")
    assert read()[name].values == OFF


@pytest.mark.usefixtures("graph", "control_flow")
@pytest.mark.parametrize("name", ["is_inference", "deterministic", "isTest", "in/eval_mode"])
def test_a_flag_that_says_the_opposite_is_on(read: Read, name: str) -> None:
    data = x()
    tf.identity(tf.cond(flag(name), lambda: 2 * data, lambda: data), name="out")
    assert read()[name].values == Phase(inference=True, training=False)


@pytest.mark.usefixtures("graph", "control_flow")
@pytest.mark.parametrize("name", ["test_positive", "phase_inverted", "train/use_weights"])
def test_a_flag_whose_name_says_something_else_is_open(read: Read, name: str) -> None:
    data = x()
    tf.identity(tf.cond(flag(name), lambda: 2 * data, lambda: data), name="out")
    assert read()[name].values is None


@pytest.mark.usefixtures("graph", "control_flow")
def test_a_flag_with_a_dropout_on_one_side_is_told_by_that(read: Read) -> None:
    data, chosen = x(), flag("flag")
    tf.identity(tf.cond(chosen, lambda: tf.nn.dropout(data, 0.5), lambda: data), name="out")
    assert read()["flag"].values == OFF


@pytest.mark.usefixtures("graph", "control_flow")
def test_the_side_of_the_dropout_counts(read: Read) -> None:
    data, chosen = x(), flag("flag")
    tf.identity(tf.cond(chosen, lambda: data, lambda: tf.nn.dropout(data, 0.5)), name="out")
    assert read()["flag"].values == Phase(inference=True, training=False)


@pytest.mark.usefixtures("graph", "control_flow")
def test_a_flag_of_a_batch_norm_is_told_by_that(read: Read) -> None:
    pictures = tf1.placeholder(tf.float32, (None, 4, 4, 3), name="x")
    scale, offset = tf.ones(3), tf.zeros(3)

    def norm(is_training: bool) -> tf.Tensor:
        moments = {} if is_training else {"mean": offset, "variance": scale}
        return tf1.nn.fused_batch_norm(pictures, scale, offset, is_training=is_training, **moments)[
            0
        ]

    chosen = flag("Placeholder")
    tf.identity(tf.cond(chosen, lambda: norm(True), lambda: norm(False)), name="out")
    assert read()["Placeholder"].values == OFF


@pytest.mark.usefixtures("graph", "control_flow")
def test_a_flag_that_chooses_between_two_ways_of_inference_is_left_open(read: Read) -> None:
    data, chosen = x(), flag("flag")
    tf.identity(tf.cond(chosen, lambda: 2 * data, lambda: data), name="out")
    assert read()["flag"] == Domain()


@pytest.mark.usefixtures("graph")
def test_a_select_chooses_too(read: Read) -> None:
    data = x()
    tf.where(flag("flag"), tf.nn.dropout(data, 0.5), data, name="out")
    assert read()["flag"].values == OFF


@pytest.mark.usefixtures("graph")
def test_a_mask_is_no_flag(read: Read) -> None:
    data = x()
    tf.where(flag("train_mask", (4,)), data, 2 * data, name="out")
    assert read()["train_mask"].values is None


@pytest.mark.usefixtures("graph")
def test_a_flag_of_unknown_rank_is_a_scalar(read: Read) -> None:
    data = x()
    chosen = flag("is_training", None)
    tf.identity(tf.cond(chosen, lambda: 2 * data, lambda: data), name="out")
    domain = read()["is_training"]
    assert domain.values == OFF
    assert domain.shape in {(), None}


@pytest.mark.usefixtures("graph")
def test_keep_prob_of_the_oldest_dropout_is_1(read: Read) -> None:
    """TensorFlow 1.0: `floor(keep_prob + random)`, of a placeholder without a shape."""
    data, keep_prob = x(), tf1.placeholder(tf.float32, name="keep_prob")
    mask = tf.floor(keep_prob + tf.random.uniform(tf.shape(data)), name="Floor")
    tf.multiply(data / keep_prob, mask, name="out")

    domain = read()["keep_prob"]

    assert domain.values == Phase(inference=1.0, training=0.5)
    assert domain.shape == ()
    assert read()["x"].values is None


@pytest.mark.usefixtures("graph")
def test_keep_prob_of_a_newer_dropout_is_1(read: Read) -> None:
    """`random >= 1 - keep_prob`."""
    keep_prob = tf1.placeholder(tf.float32, (), name="p")
    tf1.nn.dropout(x(), keep_prob, name="drop")
    out = tf1.get_default_graph().get_operations()[-1].name
    assert read(out)["p"].values == Phase(inference=1.0, training=0.5)


@pytest.mark.usefixtures("graph")
def test_a_rate_is_0(read: Read) -> None:
    rate = tf1.placeholder(tf.float32, (), name="p")
    tf.identity(tf.nn.dropout(x(), rate=rate), name="out")
    assert read()["p"].values == Phase(inference=0.0, training=0.5)


@pytest.mark.usefixtures("graph")
def test_a_probability_below_which_random_numbers_are_kept_is_1(read: Read) -> None:
    p = tf1.placeholder(tf.float32, (), name="p")
    data = x()
    mask = tf.random.uniform(tf.shape(data), 0.0, 1.0) < p
    tf.multiply(data, tf.cast(mask, tf.float32), name="out")
    assert read()["p"].values == Phase(inference=1.0, training=0.5)


@pytest.mark.usefixtures("graph", "control_flow")
def test_a_rate_is_followed_into_a_loop(read: Read) -> None:
    data, rate = x(), tf1.placeholder(tf.float32, (), name="p")
    rounds = tf.while_loop(
        lambda i, _: i < 3, lambda i, y: (i + 1, tf.nn.dropout(y, rate=rate)), (0, data)
    )
    tf.identity(rounds[1], name="out")
    assert read()["p"].values == Phase(inference=0.0, training=0.5)


def test_a_flag_and_a_rate_are_read_in_a_saved_model(read_saved: Read) -> None:
    class Model(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, 4), tf.float32),
                tf.TensorSpec((), tf.bool),
                tf.TensorSpec((), tf.float32),
            ]
        )
        def serve(self, x: tf.Tensor, flag: tf.Tensor, rate: tf.Tensor) -> dict[str, tf.Tensor]:
            dropped = tf.cond(flag, lambda: tf.nn.dropout(x, rate=rate), lambda: x)
            return {"out": dropped}

    domains = read_saved(Model())

    assert domains["flag"].values == OFF
    assert domains["rate"].values == Phase(inference=0.0, training=0.5)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("shape", [None, (None, 4)])
def test_data_that_is_held_against_random_numbers_is_no_rate(
    read: Read, shape: tuple[int | None, ...] | None
) -> None:
    """Noise, and the binary pictures that a restricted Boltzmann machine draws."""
    data = tf1.placeholder(tf.float32, shape, name="data")
    noise = tf.random.uniform(tf.shape(data))
    tf.add(tf.floor(data + noise), tf.cast(data > noise, tf.float32), name="out")
    assert read()["data"].values is None


@pytest.mark.usefixtures("graph")
def test_a_scalar_that_noise_is_added_to_is_no_probability(read: Read) -> None:
    offset = tf1.placeholder(tf.float32, (), name="offset")
    tf.add(offset, tf.random.uniform((3,)), name="out")
    assert read()["offset"] == Domain()
