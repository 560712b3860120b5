"""Inputs and outputs where the user names none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from fixtures.catalogue import FIXTURES, Fixture
from harness.errors import RequestError
from harness.graph.forward import collections_of
from harness.graph.infer import OUTPUT_RULES, infer_inputs, infer_outputs, rank_outputs


def placeholder(name: str, shape: tuple[int | None, ...] | None = (None, 4)) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.float32, shape, name=name)


def trained(output: str = "prediction") -> GraphDef:
    """`inputs` -> `output`, with a loss, its gradients, Adam, a saver and a summary."""
    with tf.Graph().as_default() as graph:
        w = tf.compat.v1.get_variable("layer/w", (4, 4), use_resource=False)
        logits = tf.matmul(placeholder("inputs"), w, name="layer/product")
        y = tf.nn.softmax(logits, name=output)
        loss = tf.reduce_mean(tf.square(y - placeholder("labels")), name="loss")
        rate = tf.compat.v1.placeholder_with_default(0.1, (), name="rate")
        tf.compat.v1.train.AdamOptimizer(rate).minimize(loss)
        tf.compat.v1.summary.histogram("scores", y)
        tf.compat.v1.train.Saver()
        return graph.as_graph_def()


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_fixture_is_told_from_its_graph(
    fixture: Fixture, built: Callable[[str], Path]
) -> None:
    meta = MetaGraphDef.FromString(Path(f"{built(fixture.name)}.meta").read_bytes())

    outputs = infer_outputs(meta.graph_def, collections_of(meta))

    assert sorted(outputs) == sorted(fixture.outputs)
    assert sorted(infer_inputs(meta.graph_def, outputs)) == sorted(fixture.inputs)


@pytest.mark.parametrize("name", ["prediction", "the_outputs", "deep/in/scopes/logits", "scores_1"])
def test_a_usual_name_is_the_output(name: str) -> None:
    assert infer_outputs(trained(name)) == (name,)


def test_the_last_tensor_before_the_loss_is_the_output() -> None:
    assert infer_outputs(trained("layer/activation")) == ("layer/activation",)


def test_what_belongs_to_training_is_no_output() -> None:
    ranked = [each.name for each in rank_outputs(trained()) if each.score > 0]
    assert ranked[0] == "prediction"
    assert not any(name.startswith(("gradients", "Adam", "save", "beta")) for name in ranked)
    assert "loss" not in ranked


def test_what_passes_an_output_on_is_the_output() -> None:
    with tf.Graph().as_default() as graph:
        scores = tf.nn.softmax(placeholder("x"), name="top/predictions")
        tf.reshape(scores, (-1, 2, 2), name="top/Reshape_1")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("top/Reshape_1",)


def test_several_outputs_that_are_named_as_outputs_are_all_taken() -> None:
    with tf.Graph().as_default() as graph:
        hidden = tf.square(placeholder("x"))
        tf.nn.softmax(hidden, name="probabilities")
        tf.identity(hidden, name="detection_boxes")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("probabilities", "detection_boxes")


def test_all_outputs_of_a_node_are_taken() -> None:
    with tf.Graph().as_default() as graph:
        tf.nn.top_k(placeholder("x"), 2, name="predictions")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("predictions", "predictions:1")


def test_what_an_op_keeps_for_its_gradient_is_no_output() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x", (None, 4, 4, 3))
        tf.compat.v1.nn.fused_batch_norm(x, tf.ones(3), tf.zeros(3), name="embeddings")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("embeddings",)


@pytest.mark.parametrize("key", ["predictions", "inference_op"])
def test_a_collection_of_outputs_names_them(key: str) -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        chosen = tf.tanh(x, name="one")
        tf.tanh(x, name="other")
        tf.compat.v1.add_to_collection(key, chosen)
        meta = tf.compat.v1.train.export_meta_graph(graph=graph)
    assert infer_outputs(meta.graph_def, collections_of(meta)) == ("one",)


def test_a_scope_that_serves_training_alone_holds_no_output() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        tf.tanh(x, name="AuxLogits/logits")
        tf.square(x, name="main")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("main",)


def test_a_tensor_inside_a_loop_is_no_output() -> None:
    """It cannot be fetched: TensorFlow computes it anew in each round."""
    meta = loop()
    names = {each.name for each in rank_outputs(meta)}
    assert "while/Sigmoid" not in names
    assert infer_outputs(meta) == ("result",)


def loop() -> GraphDef:
    tf.compat.v1.disable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        _, last = tf.compat.v1.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, tf.sigmoid(y)), (tf.constant(0), x)
        )
        tf.identity(last, name="result")
        return graph.as_graph_def()


def layer(x: tf.Tensor, scope: str) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        w = tf.compat.v1.get_variable("w", (4, 4))
        return tf.nn.bias_add(tf.matmul(x, w), tf.compat.v1.get_variable("b", (4,)))


def test_a_hidden_activation_does_not_pass_for_the_last_layer() -> None:
    with tf.Graph().as_default() as graph:
        y = layer(tf.tanh(layer(placeholder("x"), "one")), "two")
        loss = tf.reduce_mean(tf.square(y - placeholder("wanted")))
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("two/BiasAdd",)


def test_what_no_weight_contributes_to_gives_way() -> None:
    """Keras leaves such a cast of its learning phase in many graphs."""
    with tf.Graph().as_default() as graph:
        layer(placeholder("x"), "one")
        tf.cast(tf.compat.v1.placeholder_with_default(False, ()), tf.float32, name="Cast")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("one/BiasAdd",)


def test_the_machinery_of_a_branch_is_no_output() -> None:
    tf.compat.v1.disable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        x, flag = placeholder("x"), tf.compat.v1.placeholder(tf.bool, (), name="flag")
        tf.cond(flag, lambda: tf.square(x), lambda: tf.negative(x))
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("cond/Merge",)


def test_an_op_that_this_tensorflow_does_not_know_may_be_the_output() -> None:
    """Passed over, an earlier node would be verified in its place without a word."""
    graph_def = trained("layer/activation")
    graph_def.node.add(name="prediction", op="NobodyKnowsThisOp", input=["layer/activation"])
    assert infer_outputs(graph_def) == ("prediction",)


def test_an_op_that_is_not_known_is_listed_as_such() -> None:
    graph_def = trained("layer/activation")
    graph_def.node.add(name="head", op="NobodyKnowsThisOp", input=["layer/activation"])
    with pytest.raises(RequestError, match="--outputs=head   of the unknown op NobodyKnowsThisOp"):
        infer_outputs(graph_def)


def test_a_tie_lists_the_choices_as_options_to_copy() -> None:
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        tf.tanh(x, name="one")
        tf.tanh(x, name="other")
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match="cannot be told") as caught:
        infer_outputs(graph_def)
    _, one, other = str(caught.value).splitlines()
    assert one.startswith("  --outputs=one   float32 [?, 4]")
    assert other.startswith("  --outputs=other   float32 [?, 4]")


def test_a_narrow_lead_is_no_clear_winner() -> None:
    """A product called Output, read by the sum that is the true output: nobody can tell."""
    with tf.Graph().as_default() as graph:
        w = tf.compat.v1.get_variable("w", (4, 2), use_resource=False)
        product = tf.matmul(placeholder("x"), w, name="Output")
        y = tf.add(product, tf.compat.v1.get_variable("b", (2,)), name="sum")
        loss = tf.reduce_mean(tf.square(y - placeholder("labels", (None, 2))))
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match=r"--outputs=Output .*\n.*--outputs=sum "):
        infer_outputs(graph_def)


def test_a_head_that_would_be_left_out_is_asked_about() -> None:
    """Two heads, both trained, one of them named as outputs are: taking it would verify a part."""
    with tf.Graph().as_default() as graph:
        x = placeholder("x")
        heads = {}
        for name in ("classes", "age"):
            with tf.compat.v1.variable_scope(name):
                w = tf.compat.v1.get_variable("w", (4, 2))
                heads[name] = tf.matmul(x, w, name="logits" if name == "classes" else "years")
        loss = sum(
            tf.reduce_mean(tf.square(y - placeholder(f"{name}_wanted", (None, 2))))
            for name, y in heads.items()
        )
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match=r"joined by commas") as caught:
        infer_outputs(graph_def)
    assert "--outputs=classes/logits " in str(caught.value)
    assert "--outputs=age/years " in str(caught.value)


def test_a_head_without_gradients_that_would_be_left_out_is_asked_about() -> None:
    """An inference graph of an actor and a critic: nothing tells that only one is trained."""
    with tf.Graph().as_default() as graph:
        hidden = layer(placeholder("x"), "body")
        tf.nn.softmax(layer(hidden, "policy"), name="probs")
        tf.identity(layer(hidden, "value"), name="value_of_state")
        graph_def = graph.as_graph_def()
    with pytest.raises(
        RequestError, match=r"--outputs=probs .*\n(.*\n)*.*--outputs=value_of_state"
    ):
        infer_outputs(graph_def)


def test_a_head_of_a_frozen_graph_that_would_be_left_out_is_asked_about() -> None:
    """Its weights are constants."""
    with tf.Graph().as_default() as graph:
        x = placeholder("x", (None, 4))
        for name, head in (("classes", tf.nn.softmax), ("box", tf.identity)):
            head(tf.matmul(x, tf.constant(np.ones((4, 8), np.float32))), name=name)
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match=r"--outputs=classes .*\n.*--outputs=box"):
        infer_outputs(graph_def)


def test_an_end_that_no_further_weight_leads_to_is_not_asked_about() -> None:
    with tf.Graph().as_default() as graph:
        logits = layer(placeholder("x"), "body")
        tf.nn.softmax(logits, name="probs")
        tf.argmax(logits, 1, name="best")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("probs",)


def test_a_collection_of_outputs_is_taken_at_its_word() -> None:
    with tf.Graph().as_default() as graph:
        one, _ = (layer(placeholder("x"), "one"), layer(placeholder("z"), "other"))
        tf.compat.v1.add_to_collection("outputs", one)
        meta = tf.compat.v1.train.export_meta_graph(graph=graph)
    assert infer_outputs(meta.graph_def, collections_of(meta)) == ("one/BiasAdd",)


@pytest.mark.parametrize("name", ["entropy_bottleneck", "cost_volume", "correction"])
def test_a_layer_that_is_called_as_losses_are_is_none(name: str) -> None:
    with tf.Graph().as_default() as graph:
        y = layer(layer(layer(placeholder("x"), "before"), name), "behind")
        loss = tf.reduce_mean(tf.square(y - placeholder("wanted")))
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("behind/BiasAdd",)


@pytest.mark.parametrize("name", ["summary", "init", "metrics"])
def test_a_layer_in_a_scope_that_is_mostly_of_training_counts(name: str) -> None:
    with tf.Graph().as_default() as graph:
        hidden = layer(placeholder("x"), "body")
        tf.compat.v1.summary.histogram("init/histogram", hidden)
        tf.nn.softmax(layer(hidden, name), name=f"{name}/probs")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == (f"{name}/probs",)


def test_an_output_that_is_kept_in_a_variable_too_is_known_by_its_name() -> None:
    with tf.Graph().as_default() as graph:
        y = layer(placeholder("x", (1, 4)), "one")
        memory = tf.compat.v1.get_variable("memory", (1, 4), trainable=False, use_resource=False)
        tf.compat.v1.assign(memory, tf.identity(y, name="output"))
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("output",)


def test_a_mask_is_no_label() -> None:
    """The loss needs it, but so does the activation that is served, and nothing reads that."""
    with tf.Graph().as_default() as graph:
        valid = placeholder("valid")
        masked = layer(placeholder("x"), "policy") + valid * -1e9
        tf.nn.softmax(masked, name="act_prob")
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(
            tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(placeholder("wanted"), masked))
        )
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == ("act_prob",)
    assert infer_inputs(graph_def, ["act_prob"]) == ("valid", "x")


def test_a_graph_that_goes_round_in_circles_is_ranked_all_the_same() -> None:
    with tf.Graph().as_default() as graph:
        tf.reshape(placeholder("x"), (4, -1), name="r")
        graph_def = graph.as_graph_def()
    graph_def.node.add(name="i", op="Identity", input=["r"]).attr["T"].type = 1
    for node in graph_def.node:
        if node.name == "r":
            node.input[0] = "i"
            node.input.append("x")
    assert {each.name for each in rank_outputs(graph_def)} == {"r", "i"}


@pytest.mark.parametrize("scope", ["Predictions", "output", "a/logits"])
def test_the_last_of_a_scope_that_is_named_as_outputs_are(scope: str) -> None:
    with tf.Graph().as_default() as graph:
        tf.tanh(tf.square(placeholder("x"), name=f"{scope}/square"), name=f"{scope}/tanh")
        tf.square(placeholder("z"), name="beside")
        graph_def = graph.as_graph_def()
    assert infer_outputs(graph_def) == (f"{scope}/tanh",)


def test_two_models_in_one_graph_are_left_to_the_user() -> None:
    """A generator's output is read by the discriminator: both are in the list."""
    with tf.Graph().as_default() as graph:

        def layer(x: tf.Tensor, name: str) -> tf.Tensor:
            with tf.compat.v1.variable_scope(name, reuse=tf.compat.v1.AUTO_REUSE):
                return tf.sigmoid(tf.matmul(x, tf.compat.v1.get_variable("w", (4, 4))))

        fake = layer(placeholder("noise"), "generator")
        judged, real = layer(fake, "discriminator"), layer(placeholder("real"), "discriminator")
        loss = -tf.reduce_mean(tf.math.log(real) + tf.math.log(1 - judged))
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError) as caught:
        infer_outputs(graph_def)
    assert "--outputs=generator/Sigmoid " in str(caught.value)


def test_a_graph_without_data_has_no_output_to_find() -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="prediction")
        graph_def = graph.as_graph_def()
    with pytest.raises(RequestError, match="--outputs NAMES"):
        infer_outputs(graph_def)


def test_every_rule_states_its_reason() -> None:
    reasons = [rule.reason for rule in OUTPUT_RULES]
    assert all(reasons)
    assert len(set(reasons)) == len(reasons)


def test_inputs_are_the_placeholders_that_the_outputs_need() -> None:
    assert infer_inputs(trained(), ["prediction"]) == ("inputs",)
    assert infer_inputs(trained(), ["loss"]) == ("inputs", "labels")


def switch() -> GraphDef:
    """`x`, or `keep` with its default, -> `y`."""
    with tf.Graph().as_default() as graph:
        keep = tf.compat.v1.placeholder_with_default(1.0, (), name="keep")
        alone = tf.multiply(keep, 2.0, name="alone")
        tf.multiply(placeholder("x"), alone, name="y")
        return graph.as_graph_def()


def test_a_placeholder_with_a_default_is_no_input_beside_a_plain_one() -> None:
    assert infer_inputs(switch(), ["y"]) == ("x",)


def test_a_placeholder_with_a_default_is_the_input_where_there_is_no_other() -> None:
    assert infer_inputs(switch(), ["alone"]) == ("keep",)


def test_placeholders_of_old_graphs_are_inputs() -> None:
    graph_def = switch()
    for node in graph_def.node:
        if node.name == "x":
            node.op = "PlaceholderV2"
    assert infer_inputs(graph_def, ["y"]) == ("x",)


def test_where_no_placeholder_feeds_the_output_the_iterator_is_cut() -> None:
    graph_def = fed_by_an_iterator()
    assert infer_outputs(graph_def) == ("prediction",)
    assert infer_inputs(graph_def, ["prediction"]) == ("IteratorGetNext",)


def fed_by_an_iterator() -> GraphDef:
    """Pictures and labels from tf.data -> `prediction`, with a loss on the labels."""
    with tf.Graph().as_default() as graph:
        pictures = tf.zeros((8, 4))
        dataset = tf.compat.v1.data.Dataset.from_tensor_slices((pictures, pictures)).batch(2)
        x, labels = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        w = tf.compat.v1.get_variable("w", (4, 4))
        y = tf.nn.softmax(tf.matmul(x, w), name="prediction")
        loss = tf.reduce_mean(tf.square(y - labels), name="loss")
        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        return graph.as_graph_def()


def test_a_placeholder_beside_an_iterator_is_an_input_too() -> None:
    with tf.Graph().as_default() as graph:
        dataset = tf.compat.v1.data.Dataset.from_tensor_slices(tf.zeros((8, 4)))
        x = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        tf.multiply(x, placeholder("temperature", ()), name="prediction")
        graph_def = graph.as_graph_def()
    assert infer_inputs(graph_def, ["prediction"]) == ("temperature", "IteratorGetNext")


def test_the_output_itself_is_not_cut() -> None:
    with tf.Graph().as_default() as graph:
        tf.io.decode_jpeg(tf.io.read_file(placeholder_of_text("file")), name="picture")
        graph_def = graph.as_graph_def()
    assert infer_inputs(graph_def, ["picture"]) == ("file",)


def placeholder_of_text(name: str) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.string, (), name=name)
