"""Random ops that give the same numbers on both sides and in every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from fixtures.control_flow import control_flow
from harness.graph.extract import all_nodes
from harness.graph.randomness import (
    OTHER_SEED,
    has_random_streams,
    pin_randomness,
    random_nodes,
    random_ops,
)

EITHER_CONTROL_FLOW = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])
SHAPE = (64,)


def graph_of(build: Callable[[], tf.Tensor]) -> GraphDef:
    """The graph of a tensor, named `y`."""
    with tf.Graph().as_default() as graph:
        tf.identity(build(), name="y")
        return graph.as_graph_def()


def pinned(build: Callable[[], tf.Tensor]) -> GraphDef:
    graph_def = graph_of(build)
    pin_randomness(graph_def)
    return graph_def


def runs(graph_def: GraphDef, count: int = 2) -> list[np.ndarray[Any, Any]]:
    """What `y` is in each of `count` runs of one session."""
    config = config_pb2.ConfigProto()
    # The optimisers would mend a constant that stands outside the loop that it is used in.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        tf.import_graph_def(graph_def, name="")
        return [np.asarray(session.run("y:0")) for _ in range(count)]


def shuffled() -> tf.Tensor:
    return tf.random.shuffle(tf.range(64))


DRAWS: dict[str, Callable[[], tf.Tensor]] = {
    "RandomUniform": lambda: tf.random.uniform(SHAPE),
    "RandomStandardNormal": lambda: tf.random.normal(SHAPE, dtype=tf.float64),
    "TruncatedNormal": lambda: tf.random.truncated_normal(tf.constant([64], tf.int64)),
    "RandomUniformInt": lambda: tf.random.uniform(SHAPE, 3, 90, tf.int64),
    "Multinomial": lambda: tf.random.categorical(tf.zeros((2, 9)), 32, dtype=tf.int32),
}


@pytest.mark.parametrize("op", DRAWS)
def test_the_numbers_are_the_same_in_every_run_and_session(op: str) -> None:
    graph_def = pinned(DRAWS[op])
    first, second = runs(graph_def)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, runs(graph_def)[0])


@pytest.mark.parametrize("op", DRAWS)
def test_the_numbers_keep_dtype_shape_and_distribution(op: str) -> None:
    assert op in {node.op for node in graph_of(DRAWS[op]).node}
    (drawn,) = runs(pinned(DRAWS[op]), 1)
    (before,) = runs(graph_of(DRAWS[op]), 1)
    assert (drawn.dtype, drawn.shape) == (before.dtype, before.shape)
    assert len(np.unique(drawn)) > 5
    low, high = {
        "RandomUniform": (0, 1),
        "RandomStandardNormal": (-6, 6),
        "TruncatedNormal": (-2, 2),
        "RandomUniformInt": (3, 89),
        "Multinomial": (0, 8),
    }[op]
    assert low <= drawn.min()
    assert drawn.max() <= high


@pytest.mark.parametrize(
    "dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int32, tf.int64, tf.uint32]
)
def test_memory_that_nothing_has_written_holds_the_same_numbers(dtype: tf.DType) -> None:
    def build() -> tf.Tensor:
        return tf.raw_ops.Empty(shape=[3, 4], dtype=dtype)

    graph_def = pinned(build)
    first, second = runs(graph_def)

    np.testing.assert_array_equal(first, second)
    assert (first.dtype, first.shape) == (dtype.as_numpy_dtype, (3, 4))
    assert len(np.unique(first)) > 5
    assert random_nodes(graph_of(build)) == ["Empty"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: tf.raw_ops.Empty(shape=[3], dtype=tf.float32, init=True),
        lambda: tf.raw_ops.Empty(shape=[3], dtype=tf.string),
    ],
    ids=["zeros", "strings"],
)
def test_memory_that_is_always_the_same_is_not_random(build: Callable[[], tf.Tensor]) -> None:
    assert random_nodes(graph_of(build)) == []


def test_a_dropout_left_in_still_drops() -> None:
    (y,) = runs(pinned(lambda: tf.nn.dropout(tf.ones(SHAPE), rate=0.5)), 1)
    assert set(np.unique(y)) == {0, 2}


def noisy_loop() -> tf.Tensor:
    def body(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return i + 1, total + tf.random.normal(SHAPE)

    return tf.while_loop(lambda i, _: i < 5, body, (0, tf.zeros(SHAPE)))[1]


@EITHER_CONTROL_FLOW
def test_random_ops_in_a_loop_are_pinned(version: int) -> None:
    with control_flow(version):
        first, second = runs(pinned(noisy_loop))
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == len(first)


@EITHER_CONTROL_FLOW
def test_random_ops_in_a_condition_are_pinned(version: int) -> None:
    with control_flow(version):
        graph_def = pinned(
            lambda: tf.cond(
                tf.constant(1) > 0, lambda: tf.random.normal(SHAPE), lambda: tf.zeros(SHAPE)
            )
        )
    first, second = runs(graph_def)
    np.testing.assert_array_equal(first, second)


def test_random_ops_in_a_function_are_pinned() -> None:
    @tf.function(autograph=False)
    def inner(x: tf.Tensor) -> tf.Tensor:
        return x + tf.random.normal(tf.shape(x))

    @tf.function(autograph=False)
    def outer(x: tf.Tensor) -> tf.Tensor:
        return inner(x) * tf.random.uniform(SHAPE)

    first, second = runs(pinned(lambda: outer(tf.zeros(SHAPE))))
    np.testing.assert_array_equal(first, second)


def test_two_graphs_with_other_seeds_draw_the_same_numbers() -> None:
    one = pinned(lambda: tf.random.normal(SHAPE, seed=1))
    other = pinned(lambda: tf.random.normal(SHAPE, seed=2))
    np.testing.assert_array_equal(runs(one)[0], runs(other)[0])


@pytest.mark.parametrize("build", [*DRAWS.values(), shuffled], ids=[*DRAWS, "RandomShuffle"])
def test_another_seed_gives_other_numbers(build: Callable[[], tf.Tensor]) -> None:
    graph_def = graph_of(build)
    pin_randomness(graph_def, seed=OTHER_SEED)
    assert (runs(graph_def, 1)[0] != runs(pinned(build), 1)[0]).any()


def test_a_stream_gives_the_same_numbers_in_the_first_run_of_every_session() -> None:
    graph_def = pinned(shuffled)
    assert has_random_streams(graph_def)
    first, second = runs(graph_def)
    np.testing.assert_array_equal(first, runs(graph_def, 1)[0])
    assert (first != second).any()


def test_what_has_a_stateless_counterpart_leaves_no_stream() -> None:
    assert not has_random_streams(pinned(lambda: tf.random.normal(SHAPE)))


def shuffling_loop() -> tf.Tensor:
    def body(i: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return i + 1, tf.random.shuffle(x)

    return tf.while_loop(lambda i, _: i < 3, body, (0, tf.range(64)))[1]


@pytest.mark.parametrize("stripped", [False, True])
@EITHER_CONTROL_FLOW
def test_a_loop_that_draws_from_a_stream_runs_one_iteration_at_a_time(
    version: int, stripped: bool
) -> None:
    with control_flow(version):
        graph_def = graph_of(shuffling_loop)
    if stripped:
        for node in all_nodes(graph_def):
            node.attr.pop("parallel_iterations", None)
    pin_randomness(graph_def)
    loops = [node for node in all_nodes(graph_def) if node.op in {"Enter", "While"}]
    assert {node.attr["parallel_iterations"].i for node in loops} == {1}
    np.testing.assert_array_equal(runs(graph_def, 1)[0], runs(graph_def, 1)[0])


def test_a_loop_without_a_stream_keeps_its_parallel_iterations() -> None:
    with control_flow(1):
        graph_def = pinned(noisy_loop)
    enters = [node for node in graph_def.node if node.op == "Enter"]
    assert {node.attr["parallel_iterations"].i for node in enters} == {10}


def test_random_nodes_are_named_in_graph_and_functions() -> None:
    @tf.function(autograph=False)
    def function() -> tf.Tensor:
        return tf.random.normal(SHAPE, name="inside")

    graph_def = graph_of(lambda: function() + tf.random.uniform(SHAPE, name="outside"))
    assert random_nodes(graph_def) == [
        "outside/RandomUniform",
        "inside/RandomStandardNormal",
    ]
    assert random_ops(graph_def) == ["RandomStandardNormal", "RandomUniform"]


def test_a_graph_that_draws_nothing_is_left_as_it_is() -> None:
    graph_def = graph_of(lambda: tf.tanh(tf.zeros(SHAPE)))
    before = graph_def.SerializeToString(deterministic=True)
    pin_randomness(graph_def)
    assert graph_def.SerializeToString(deterministic=True) == before
    assert not random_nodes(graph_def)


# ---- each op has numbers of its own


def seeds(graph_def: GraphDef) -> list[tuple[int, ...]]:
    """The seeds of a pinned graph, functions included."""
    constants = [tensor_of(n) for n in all_nodes(graph_def) if n.name.endswith("/pinned_seed")]
    streams = [n for n in all_nodes(graph_def) if n.op == "RandomShuffle"]
    return sorted([*constants, *((n.attr["seed"].i, n.attr["seed2"].i) for n in streams)])


def tensor_of(node: Any) -> tuple[int, ...]:
    return tuple(int(number) for number in tf.make_ndarray(node.attr["value"].tensor))


def two_draws() -> tf.Tensor:
    return tf.where(tf.random.uniform(SHAPE) > tf.random.uniform(SHAPE), 1, 0)


@tf.function(autograph=False)
def draw() -> tf.Tensor:
    return tf.random.uniform(SHAPE)


@tf.function(autograph=False)
def draw_in_a_call() -> tf.Tensor:
    return draw() + 0.0


@tf.function(autograph=False)
def raw_draw() -> tf.Tensor:
    return tf.raw_ops.RandomUniform(shape=SHAPE, dtype=tf.float32)


def in_a_condition() -> tf.Tensor:
    return tf.cond(tf.constant(1) > 0, draw, raw_draw)


CALLS: dict[str, Callable[[], tf.Tensor]] = {
    "ops": two_draws,
    "scopes": lambda: tf.concat([tf.nn.dropout(tf.ones(SHAPE), 0.5) for _ in range(3)], 0),
    "function called twice": lambda: tf.where(draw() > draw(), 1, 0),
    "nested": lambda: tf.where(draw_in_a_call() > draw_in_a_call(), 1, 0),
    "function beside op": lambda: tf.where(draw() > tf.random.uniform(SHAPE), 1, 0),
    "raw": lambda: tf.where(raw_draw() > raw_draw(), 1, 0),
    "cond": lambda: tf.where(in_a_condition() > in_a_condition(), 1, 0),
}


@EITHER_CONTROL_FLOW
@pytest.mark.parametrize("build", CALLS.values(), ids=CALLS)
def test_ops_of_one_shape_draw_different_numbers(
    build: Callable[[], tf.Tensor], version: int
) -> None:
    with control_flow(version):
        graph_def = pinned(build)
    first, second = runs(graph_def)
    assert len(np.unique(first)) == 2, "both branches are seen"
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, runs(graph_def, 1)[0])
    assert len(set(seeds(graph_def))) == len(seeds(graph_def)) >= 2


def test_streams_have_seeds_of_their_own() -> None:
    graph_def = pinned(lambda: tf.stack([shuffled(), shuffled()]))
    first, second = runs(graph_def, 1)[0]
    assert (first != second).any()


def all_kinds() -> tf.Tensor:
    x = draw() + draw_in_a_call() + tf.random.shuffle(tf.ones(SHAPE))
    x = tf.cond(tf.reduce_sum(x) > 0, lambda: x + draw(), lambda: x - tf.random.uniform(SHAPE))
    x = tf.switch_case(tf.constant(1), [lambda: x + draw(), lambda: tf.random.normal(SHAPE)])
    return tf.while_loop(
        lambda i, _: i < 2 + tf.cast(tf.random.uniform(()), tf.int32),
        lambda i, total: (i + 1, total + draw() + tf.random.normal(SHAPE)),
        (0, x),
    )[1]


def test_another_seed_gives_every_op_another() -> None:
    with control_flow(2):
        graph_def = graph_of(all_kinds)
    other = GraphDef()
    other.CopyFrom(graph_def)
    pin_randomness(graph_def)
    pin_randomness(other, seed=OTHER_SEED)
    assert len(set(seeds(graph_def))) == len(seeds(graph_def)) == 10
    assert not set(seeds(graph_def)) & set(seeds(other))
    assert all(0 <= half < 2**63 for seed in seeds(graph_def) for half in seed)


def test_a_seed_is_the_same_in_every_process() -> None:
    graph_def = pinned(lambda: tf.random.uniform(SHAPE))
    assert seeds(graph_def) == [(7559923782028943305, 3972723328466530580)]


@pytest.mark.parametrize("build", [*CALLS.values(), all_kinds], ids=[*CALLS, "all"])
def test_a_prefix_before_all_names_changes_no_seed(build: Callable[[], tf.Tensor]) -> None:
    with control_flow(2):
        plain = graph_of(build)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(plain, name="caller/StatefulPartitionedCall")
        prefixed = graph.as_graph_def()
    pin_randomness(plain)
    pin_randomness(prefixed)
    assert seeds(prefixed) == seeds(plain)


@pytest.mark.parametrize("lower", [False, True], ids=["functional", "lowered"])
@pytest.mark.parametrize("build", [*CALLS.values(), all_kinds], ids=[*CALLS, "all"])
def test_functions_that_freezing_inlines_keep_their_seeds(
    build: Callable[[], tf.Tensor], lower: bool
) -> None:
    function = tf.function(lambda: tf.identity(build(), name="y"), autograph=False)
    concrete = function.get_concrete_function()
    called = graph_of(lambda: concrete())  # noqa: PLW0108 (in that graph)
    inlined = convert_variables_to_constants_v2(concrete, lower_control_flow=lower)
    plain = concrete.graph.as_graph_def()
    frozen = inlined.graph.as_graph_def()
    for graph_def in (called, plain, frozen):
        pin_randomness(graph_def)
    assert seeds(called) == seeds(plain) == seeds(frozen)
    # The body of a called function is optimised, whatever the session is told: it may round apart.
    np.testing.assert_allclose(runs(called, 1)[0], runs(frozen, 1)[0], rtol=1e-5)


def test_what_a_function_draws_and_never_uses_changes_no_seed() -> None:
    @tf.function(autograph=False)
    def wasteful() -> tf.Tensor:
        with tf.name_scope("used"):
            first, second = tf.random.uniform(SHAPE), tf.random.uniform(SHAPE)
        with tf.name_scope("unused"):
            tf.random.uniform(SHAPE)
        return tf.where(first > second, 1, 0)

    frozen = convert_variables_to_constants_v2(wasteful.get_concrete_function())
    without = frozen.graph.as_graph_def()
    assert len(random_nodes(without)) == 2
    pin_randomness(without)
    assert seeds(pinned(wasteful)) == seeds(without)


def test_a_function_that_calls_itself_is_pinned() -> None:
    graph_def = graph_of(draw)
    (function,) = graph_def.library.function
    name = function.signature.name
    again = function.node_def.add(name="again", op="StatefulPartitionedCall")
    again.attr["f"].func.name = name
    function.control_ret["again"] = "again"
    pin_randomness(graph_def)
    assert len(seeds(graph_def)) == 1
