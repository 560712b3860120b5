"""What several readers say of an input together, and what is said where nobody says anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from fixtures.catalogue import FIXTURES, Fixture
from harness.domain import Domain, Phase, Range
from harness.graph.reading.values import defaults_of, read_values
from harness.inputs.spec import read_input_spec
from harness.models.model import Model
from harness.models.opening import open_model
from harness.signature import Signature, TensorSpec
from harness.subject import Request

tf1 = tf.compat.v1
Read = Callable[..., dict[str, Domain]]


def x(dtype: tf.DType = tf.float32, shape: tuple[int | None, ...] | None = (None, 4)) -> tf.Tensor:
    return tf1.placeholder(dtype, shape, name="x")


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_of_every_fixture_what_its_maker_states_is_read(
    fixture: Fixture, built: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(fixture.input_spec)
    stated = read_input_spec(spec).domains
    model = open_model(Request(path=built(fixture.name), moving_averages=fixture.moving_averages))

    read = read_values(model.graph_def, model.signature)

    assert {n: d.values for n, d in read.items()} == {
        name: stated[name].values if name in stated else None for name in read
    }


@pytest.mark.usefixtures("graph")
def test_everything_that_is_said_is_said_by_a_node(read: Read) -> None:
    ids = tf1.placeholder(tf.int32, (None,), name="ids")
    flag = tf1.placeholder(tf.bool, (), name="is_training")
    rows = tf.gather(tf.ones((5, 4)), ids)
    chosen = tf.cond(flag, lambda: rows, lambda: 2 * rows)
    tf.multiply(chosen, tf.cast(x() > 2.0, tf.float32), name="out")

    domains = read()

    nodes = {node.name for node in tf1.get_default_graph().as_graph_def().node}
    assert domains["ids"].values == Range(low=0, high=4)
    assert isinstance(domains["is_training"].values, Phase)
    assert domains["x"].landmarks == (2.0,)
    assert all(domain.read_from in nodes for domain in domains.values())


@pytest.mark.usefixtures("graph")
def test_of_an_input_that_is_computed_with_nothing_is_said(read: Read) -> None:
    tf.tanh(tf.matmul(x(), tf.ones((4, 2))), name="out")
    assert read() == {"x": Domain()}


@pytest.mark.usefixtures("graph")
def test_pictures_as_numbers_stay_open(read: Read) -> None:
    picture = x(tf.uint8, (None, 8, 8, 3))
    tf.nn.conv2d(tf.cast(picture, tf.float32), tf.ones((2, 2, 3, 4)), 1, "SAME", name="out")
    assert read() == {"x": Domain()}


@pytest.mark.usefixtures("graph")
def test_readers_that_contradict_each_other_do_not_make_an_empty_range(read: Read) -> None:
    ids = x(tf.int32, (None,))
    tf.add(tf.gather(tf.ones(5), ids), tf.gather(tf.ones(5), ids - 100), name="out")
    values = read()["x"].values
    assert isinstance(values, Range)
    assert values.low <= values.high


@pytest.mark.usefixtures("graph")
def test_what_lies_behind_an_input_in_mid_graph_is_read(
    extracted: Callable[..., Model], graph: tf.Graph
) -> None:
    parts = tf.split(tf.cast(x(), tf.int32), 2, axis=1, name="parts")
    tf.gather(tf.ones((6, 2)), parts[1], name="out")

    model = extracted(graph.as_graph_def(), ("out",), ("parts:1",))

    assert read_values(model.graph_def, model.signature) == {
        "parts:1": Domain(values=Range(low=0, high=5), read_from="out")
    }


@pytest.mark.usefixtures("graph")
def test_an_unsigned_id_is_not_negative(read: Read) -> None:
    ids = x(tf.uint8, (None,))
    tf.gather(tf.ones((6, 2)), tf.cast(ids, tf.int32) + 2, name="out")
    assert read()["x"].values == Range(low=0, high=3)


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("rows", ["its own", "any"])
def test_an_unknown_rank_is_that_of_a_reshape(read: Read, rows: str) -> None:
    data = x(shape=None)
    first = tf.shape(data)[0] if rows == "its own" else -1
    tf.reshape(data, tf.stack([first, 28, 28]), name="out")
    assert read()["x"] == Domain(shape=(None, 28, 28), read_from="out")


@pytest.mark.usefixtures("graph")
def test_of_an_unknown_rank_the_least_that_is_accepted_is_taken(read: Read) -> None:
    row = tf.expand_dims(tf.add(x(shape=None), [1.0, 2.0]), 0)
    tf.raw_ops.MatMul(a=row, b=tf.ones((2, 1)), name="out")
    assert read()["x"].shape == ()


@pytest.mark.usefixtures("graph")
def test_an_unknown_rank_that_may_be_any_stays_open(read: Read) -> None:
    tf.tanh(x(shape=None), name="out")
    assert read()["x"] == Domain()


@pytest.mark.usefixtures("graph")
def test_a_node_that_lacks_inputs_says_nothing(graph: tf.Graph) -> None:
    tf.gather(tf.ones((6, 2)), x(tf.int32, (None,)), name="out")
    graph_def = graph.as_graph_def()
    (gather,) = (node for node in graph_def.node if node.name == "out")
    del gather.input[0]
    spec = TensorSpec(name="x", dtype="int32", shape=(None,))
    domains = read_values(graph_def, Signature(inputs=(spec,), outputs=()))
    assert domains == {"x": Domain()}


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize(
    ("default", "expected"),
    [(0.5, 0.5), ([2.0, 2.0], 2.0), ([1.0, 2.0], None), (b"words", b"words")],
    ids=["scalar", "equal", "several", "string"],
)
def test_an_input_has_a_default_if_it_is_one_value(
    graph: tf.Graph, default: object, expected: object
) -> None:
    tf1.placeholder_with_default(default, None, name="x")
    tf.identity(graph.get_tensor_by_name("x:0"), name="out")
    expected_domains = {} if expected is None else {"x": Domain(default=expected, read_from="x")}
    assert defaults_of(graph.as_graph_def(), ["x"]) == expected_domains


@pytest.mark.usefixtures("graph")
def test_a_default_that_is_computed_is_none(graph: tf.Graph) -> None:
    tf1.placeholder_with_default(tf.random.uniform(()), (), name="x")
    assert defaults_of(graph.as_graph_def(), ["x", "x:1", "nothing"]) == {}


@pytest.mark.usefixtures("graph")
def test_a_range_ends_where_the_dtype_does(read: Read) -> None:
    tf.gather(tf.ones((1000, 2)), tf.cast(x(tf.int8, (None,)), tf.int32), name="out")
    assert read()["x"].values == Range(low=0, high=127)


@pytest.mark.usefixtures("graph")
def test_truth_values_that_choose_rows_stay_open(read: Read) -> None:
    tf.gather(tf.ones((2, 2)), tf.cast(x(tf.bool, (None,)), tf.int32), name="out")
    assert read()["x"] == Domain()


@pytest.mark.usefixtures("graph")
def test_a_shape_that_is_open_is_no_default(graph: tf.Graph) -> None:
    tf1.placeholder_with_default(tf.constant([-1, -1], tf.int64), None, name="x")
    assert defaults_of(graph.as_graph_def(), ["x"]) == {}
