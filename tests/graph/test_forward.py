"""The forward part of a training graph, and which of it belongs to the loss."""

from __future__ import annotations

import pytest
import tensorflow as tf

from harness.graph.forward import ForwardNode, ForwardPart, forward_part, is_loss_name

v1 = tf.compat.v1


def placeholder(name: str, shape: tuple[int | None, ...] = (None, 4)) -> tf.Tensor:
    return v1.placeholder(tf.float32, shape, name=name)


def dense(x: tf.Tensor, name: str) -> tf.Tensor:
    with v1.variable_scope(name):
        product = tf.matmul(x, v1.get_variable("kernel", (4, 4)))
        return tf.nn.bias_add(product, v1.get_variable("bias", (4,)))


def minimise(loss: tf.Tensor) -> None:
    v1.train.GradientDescentOptimizer(0.1).minimize(loss)


def part_of(graph: tf.Graph) -> ForwardPart:
    return forward_part(graph.as_graph_def())


def named(part: ForwardPart, name: str) -> ForwardNode:
    (found,) = (each for each in part.nodes if each.node.name == name)
    return found


def loss_side(part: ForwardPart) -> set[str]:
    return {each.node.name for each in part.nodes if each.is_loss}


def test_data_to_which_no_weight_is_applied_before_the_loss_is_a_label() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        minimise(tf.reduce_mean(tf.square(y - placeholder("wanted"))))
    assert part_of(graph).labels == ("wanted",)


def test_an_input_of_a_later_layer_is_no_label() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(dense(placeholder("x"), "one") * placeholder("keep", ()), "two")
        minimise(tf.reduce_mean(tf.square(y - placeholder("wanted"))))
    assert part_of(graph).labels == ("wanted",)


def test_an_input_behind_the_last_layer_is_no_label_where_the_loss_does_not_need_it() -> None:
    with tf.Graph().as_default() as graph:
        logits = dense(placeholder("x"), "one")
        tf.nn.softmax(logits / placeholder("temperature", ()), name="sampled")
        minimise(tf.reduce_mean(tf.square(logits - placeholder("wanted"))))
    assert part_of(graph).labels == ("wanted",)


def test_an_input_of_one_branch_of_a_cond_is_no_label() -> None:
    """Its weights come through a Switch, which data decides."""
    v1.disable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        x, flag = placeholder("x"), v1.placeholder(tf.bool, (), name="flag")
        y = tf.cond(flag, lambda: dense(x, "one"), lambda: dense(x, "two"))
        minimise(tf.reduce_mean(tf.square(y - placeholder("wanted"))))
    assert part_of(graph).labels == ("wanted",)


def test_a_penalty_on_weights_is_no_application_of_weights() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        penalty = tf.add_n([tf.nn.l2_loss(w) for w in v1.trainable_variables()])
        minimise(tf.reduce_mean(tf.square(y - placeholder("wanted"))) + penalty)
    assert part_of(graph).labels == ("wanted",)


def test_what_needs_a_label_belongs_to_the_loss() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        minimise(tf.reduce_mean(tf.square(tf.subtract(y, placeholder("wanted"), name="gap"))))
    assert loss_side(part_of(graph)) == {"gap", "Square", "Mean"}


def test_an_autoencoder_s_loss_begins_where_it_is_held_against_its_input() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        y = dense(tf.tanh(dense(x, "one")), "two")
        minimise(tf.reduce_mean(tf.square(tf.subtract(x, y, name="gap"))))
    part = part_of(graph)
    assert part.labels == ()
    assert loss_side(part) == {"gap", "Square", "Mean"}
    assert named(part, "two/BiasAdd").is_last


def test_a_residual_connection_is_no_loss() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        y = dense(tf.subtract(x, dense(x, "one"), name="residual"), "two")
        minimise(tf.reduce_mean(tf.square(y - placeholder("wanted"))))
    assert not named(part_of(graph), "residual").is_loss


def test_a_loss_without_labels_is_where_gradients_are_computed_from() -> None:
    with tf.Graph().as_default() as graph:
        judged = dense(placeholder("x"), "critic")
        minimise(tf.negative(tf.reduce_mean(judged, name="average"), name="objective"))
    part = part_of(graph)
    assert loss_side(part) == {"average", "objective"}
    assert named(part, "critic/BiasAdd").is_last


def test_the_sum_that_a_loss_without_labels_is_belongs_to_it_whatever_its_axes() -> None:
    with tf.Graph().as_default() as graph:
        judged = v1.placeholder(tf.float32, name="x") * v1.get_variable("scale", ())
        minimise(tf.negative(tf.reduce_mean(judged, name="average"), name="objective"))
    assert loss_side(part_of(graph)) == {"average", "objective"}


def test_what_stands_in_the_collection_of_losses_is_a_loss() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        tf.reduce_max(y - placeholder("wanted"), name="gap")
    collections = {"losses": ("gap", "a/penalty/that/is/no/forward/node")}
    part = forward_part(graph.as_graph_def(), collections)
    assert part.labels == ("wanted",)
    assert named(part, "one/BiasAdd").is_last


def test_what_is_fed_into_a_queue_is_no_forward_node() -> None:
    with tf.Graph().as_default() as graph:
        queue = tf.queue.FIFOQueue(8, [tf.float32], [(4,)])
        queue.enqueue_many(tf.square(placeholder("fed"), name="prepared"))
        dense(queue.dequeue_many(2, name="batch"), "one")
    names = {each.node.name for each in part_of(graph).nodes}
    assert names == {"one/MatMul", "one/BiasAdd"}


def test_a_decision_that_only_a_metric_looks_at_belongs_to_the_metric() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        labels = placeholder("wanted")
        hit = tf.equal(tf.argmax(y, 1, name="decided"), tf.argmax(labels, 1))
        tf.reduce_mean(tf.cast(hit, tf.float32), name="hits")
        minimise(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, y)))
    part = part_of(graph)
    assert named(part, "decided").is_loss
    assert named(part, "one/BiasAdd").is_last


def test_a_decision_that_nobody_looks_at_is_the_model_s() -> None:
    with tf.Graph().as_default() as graph:
        tf.argmax(dense(placeholder("x"), "one"), 1, name="decided")
    part = part_of(graph)
    assert not named(part, "decided").is_loss
    assert named(part, "decided").is_last


def test_a_shape_is_no_data() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        tf.reshape(x, tf.stack([tf.shape(x, name="size")[0], 2, 2]), name="y")
    assert {each.node.name for each in part_of(graph).nodes} == {"y"}


def test_gradients_savers_summaries_and_moving_averages_are_no_forward_nodes() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        loss = tf.reduce_mean(tf.square(y - placeholder("wanted")))
        v1.train.AdamOptimizer(placeholder("rate", ())).minimize(loss)
        v1.summary.histogram("outputs", y)
        v1.train.Saver()
    names = {each.node.name for each in part_of(graph).nodes}
    assert names == {"one/MatMul", "one/BiasAdd", "sub", "Square", "Mean"}


@pytest.mark.parametrize("scope", ["summaries", "metrics", "init"])
def test_what_is_computed_aside_is_no_forward_node(scope: str) -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        tf.reduce_mean(y, name=f"{scope}/mean")
    assert "one/BiasAdd" in {each.node.name for each in part_of(graph).nodes}
    assert f"{scope}/mean" not in {each.node.name for each in part_of(graph).nodes}


def test_weights_contribute_to_what_follows_their_application() -> None:
    with tf.Graph().as_default() as graph:
        dense(tf.square(placeholder("x"), name="before"), "one")
    part = part_of(graph)
    assert not named(part, "before").is_weighted
    assert named(part, "one/BiasAdd").is_weighted


def test_the_trained_end_is_what_no_weight_is_applied_after() -> None:
    with tf.Graph().as_default() as graph:
        y = dense(tf.tanh(dense(placeholder("x"), "one"), name="hidden"), "two")
        minimise(tf.reduce_mean(tf.square(y - placeholder("wanted"))))
    part = part_of(graph)
    assert [each.node.name for each in part.nodes if each.is_trained_end] == ["two/BiasAdd"]


def test_a_head_for_training_alone_does_not_read() -> None:
    with tf.Graph().as_default() as graph:
        y = tf.identity(dense(placeholder("x"), "one"), name="state")
        dense(y, "training_head")
    part = part_of(graph)
    assert named(part, "state").is_last
    assert named(part, "training_head/BiasAdd").is_training_only


def test_in_a_graph_that_is_all_training_scope_readers_count() -> None:
    with tf.Graph().as_default() as graph, tf.name_scope("train"):
        dense(dense(placeholder("x"), "one"), "two")
    last = [each.node.name for each in part_of(graph).nodes if each.is_last]
    assert last == ["train/two/BiasAdd"]


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
def test_what_is_kept_in_a_variable_is_left_over(*, use_resource: bool) -> None:
    with tf.Graph().as_default() as graph:
        y = dense(placeholder("x"), "one")
        memory = v1.get_variable("memory", (4,), trainable=False, use_resource=use_resource)
        v1.assign(memory, tf.reshape(y[:1], (4,), name="state"))
    assert named(part_of(graph), "state").is_left_over


def test_a_sum_over_all_examples_belongs_to_the_loss() -> None:
    """A dice loss sums the mask that the model gives, without a label."""
    with tf.Graph().as_default() as graph:
        mask = tf.sigmoid(dense(placeholder("x"), "one"), name="mask")
        wanted = placeholder("wanted")
        overlap = tf.reduce_sum(mask * wanted)
        size = tf.reduce_sum(mask, name="size") + tf.reduce_sum(wanted)
        minimise(1 - 2 * overlap / size)
    part = part_of(graph)
    assert named(part, "size").is_loss
    assert named(part, "mask").is_last


def test_a_mean_over_positions_is_the_model_s() -> None:
    with tf.Graph().as_default() as graph:
        scores = tf.reduce_mean(
            tf.reshape(dense(placeholder("x"), "one"), (-1, 2, 2)), 1, name="pooled"
        )
        labels = placeholder("wanted", (None, 2))
        minimise(tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, scores)))
    part = part_of(graph)
    assert not named(part, "pooled").is_loss
    assert named(part, "pooled").is_last


def test_a_probability_that_is_kept_from_zero_for_its_logarithm_belongs_to_the_loss() -> None:
    with tf.Graph().as_default() as graph:
        y = tf.nn.softmax(dense(placeholder("x"), "one"), name="y")
        logarithm = tf.math.log(tf.clip_by_value(y, 1e-10, 1.0, name="clipped"))
        minimise(-tf.reduce_sum(placeholder("wanted") * logarithm))
    part = part_of(graph)
    assert named(part, "clipped").is_loss
    assert named(part, "y").is_last


def test_an_output_that_is_clipped_is_the_model_s() -> None:
    with tf.Graph().as_default() as graph:
        y = tf.clip_by_value(dense(placeholder("x"), "one"), 0, 1, name="y")
        minimise(tf.reduce_mean(tf.abs(y - placeholder("wanted"))))
    assert named(part_of(graph), "y").is_last


@pytest.mark.parametrize(
    "name",
    ["loss", "total_loss", "TotalLoss", "cost", "accuracy_1", "psnr", "rmse", "a/mean_iou/b"],
)
def test_names_of_losses_and_metrics(name: str) -> None:
    assert is_loss_name(name)


@pytest.mark.parametrize("name", ["glossy", "lossless/y", "costume", "prediction", "terror/y"])
def test_names_that_only_look_like_those_of_losses(name: str) -> None:
    assert not is_loss_name(name)
