from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.catalogue import FIXTURES, Fixture
from fixtures.freezing import request_for
from harness.errors import Unsupported
from harness.exporters.registry import load_method
from harness.exporting.exporting import How, export_own_graph
from harness.exporting.original_names import with_original_names
from harness.models.frozen import read_graph_def
from harness.models.opening import open_model
from harness.tensor_names import session_name

Array = npt.NDArray[Any]
SEVERAL = [
    fixture
    for fixture in FIXTURES
    if len(fixture.inputs) + len(fixture.outputs) > 2 and fixture.name.endswith("-resource")
]


def graph_of(build: Callable[[], object]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        build()
        return graph.as_graph_def()


def run(graph_def: GraphDef, fed: Mapping[str, Array], *names: str) -> list[Array]:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        feeds = {session_name(name): value for name, value in fed.items()}
        found: list[Array] = session.run([session_name(name) for name in names], feeds)
        return found


def nodes_of(graph_def: GraphDef) -> dict[str, Any]:
    return {node.name: node for node in graph_def.node}


def placeholder(name: str, dtype: tf.DType = tf.float32) -> Any:
    return tf.compat.v1.placeholder(dtype, (None,), name=name)


def build_renamed() -> None:
    """`x` and `y` of the source, under other names, while others are called that."""
    fed = placeholder("args_0")
    other = tf.add(fed, 100.0, name="y")
    with tf.control_dependencies([tf.subtract(fed, 1.0, name="x")]):
        tf.multiply(tf.add(fed, 1.0, name="y_1"), other, name="Identity")


FED = np.array([1.0, 2.0], np.float32)


def test_each_tensor_gets_its_name_and_the_values_stay() -> None:
    graph_def = graph_of(build_renamed)

    found = with_original_names(graph_def, {"x": "args_0", "y": "Identity"})

    (expected,) = run(graph_def, {"args_0": FED}, "Identity")
    (actual,) = run(found, {"x": FED}, "y")
    assert actual.tolist() == expected.tolist() == [2 * 101.0, 3 * 102.0]


def test_a_node_that_has_the_name_gets_a_free_one() -> None:
    found = nodes_of(with_original_names(graph_of(build_renamed), {"x": "args_0", "y": "Identity"}))

    assert (found["x"].op, found["y"].op) == ("Placeholder", "Mul")
    assert (found["x_1"].op, found["y_1"].op, found["y_2"].op) == ("Sub", "AddV2", "AddV2")
    assert "^x_1" in found["y_1/y"].input


def test_two_tensors_may_change_names() -> None:
    def build() -> None:
        a, b = placeholder("a"), placeholder("b")
        tf.subtract(a, b, name="y")

    found = with_original_names(graph_of(build), {"a": "b", "b": "a"})

    assert run(found, {"b": FED, "a": FED * 3}, "y")[0].tolist() == (FED - FED * 3).tolist()


def test_the_graph_that_is_given_stays_as_it_is() -> None:
    graph_def = graph_of(build_renamed)
    before = graph_def.SerializeToString(deterministic=True)

    with_original_names(graph_def, {"x": "args_0", "y": "Identity"})

    assert graph_def.SerializeToString(deterministic=True) == before


def test_nodes_that_are_placed_beside_a_renamed_one_follow_it() -> None:
    def build() -> None:
        fed = placeholder("args_0")
        with tf.compat.v1.colocate_with(fed):
            tf.add(fed, 1.0, name="y")

    graph_def = graph_of(build)
    assert nodes_of(graph_def)["y"].attr["_class"].list.s == [b"loc:@args_0"]

    found = with_original_names(graph_def, {"x": "args_0"})

    assert run(found, {"x": FED}, "y")[0].tolist() == [2.0, 3.0]


def test_an_output_past_the_first_that_is_passed_on_needs_no_new_name() -> None:
    def build() -> None:
        parts = tf.split(tf.tile(placeholder("x"), [2]), 2, name="parts")
        for part in parts:
            tf.identity(tf.identity(part), name="Identity")

    names = [node.name for node in graph_of(build).node if node.name.startswith("Identity")]

    found = with_original_names(
        graph_of(build), dict(zip(("parts", "parts:1"), names[1::2], strict=True))
    )

    assert [part.tolist() for part in run(found, {"x": FED}, "parts", "parts:1")] == [
        FED.tolist(),
        FED.tolist(),
    ]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"y": "missing"}, "its graph has no such node"),
        ({"y": "missing:1"}, "its graph has no such node"),
        ({"y:1": "Identity"}, "it cannot be renamed"),
        ({"y": "Identity:1"}, "it cannot be renamed"),
        ({"y": "Identity", "z": "Identity"}, "it cannot be renamed"),
    ],
    ids=str,
)
def test_a_tensor_that_cannot_have_its_name_is_told(names: dict[str, str], reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        with_original_names(graph_of(build_renamed), names)


def test_identities_in_a_circle_pass_nothing_on() -> None:
    graph_def = graph_of(build_renamed)
    for name, source in (("a", "b"), ("b", "a")):
        graph_def.node.add(name=name, op="Identity", input=[source])

    assert "y" in nodes_of(with_original_names(graph_def, {"y": "a"}))


def obscured(graph_def: GraphDef, names: Mapping[str, str]) -> GraphDef:
    """The graph with other names, and with nodes that are called as the source's were."""
    result = GraphDef()
    result.CopyFrom(graph_def)
    for node in result.node:
        node.name = names.get(node.name, node.name)
        for index, reference in enumerate(node.input):
            base = reference.removeprefix("^")
            name, colon, output = base.partition(":")
            mark = reference[: len(reference) - len(base)]
            node.input[index] = f"{mark}{names.get(name, name)}{colon}{output}"
    for name in names:
        result.node.add(name=name, op="NoOp")
    return result


@pytest.mark.parametrize("fixture", SEVERAL, ids=lambda fixture: fixture.name)
def test_a_model_with_other_names_gets_its_own(
    fixture: Fixture, built: Callable[[str], Path], tmp_path: Path
) -> None:
    model = open_model(request_for(fixture, built(fixture.name)))
    frozen = read_graph_def(load_method("constants_v2").export(model, tmp_path).path)
    single = [
        name for name in (*fixture.inputs, *fixture.outputs) if f"{name}:1" not in fixture.outputs
    ]
    made_up = {name: f"made_up_{i}" for i, name in enumerate(single) if ":" not in name}
    assert made_up

    found = with_original_names(obscured(frozen, made_up), made_up)

    kept = {name: node for name, node in nodes_of(found).items() if node.op != "NoOp"}
    expected = {name: node for name, node in nodes_of(frozen).items() if node.op != "NoOp"}
    assert kept == expected


@pytest.mark.parametrize("fixture", SEVERAL, ids=lambda fixture: fixture.name)
def test_an_export_by_constants_v2_has_the_names_of_its_source(
    fixture: Fixture, built: Callable[[str], Path], tmp_path: Path
) -> None:
    export_own_graph(
        request_for(fixture, built(fixture.name)),
        tmp_path / "exported",
        how=How(method="constants_v2"),
    )

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(
            read_graph_def(tmp_path / "exported" / "frozen_inference_graph.pb"), name=""
        )
        for name in (*fixture.inputs, *fixture.outputs):
            assert graph.get_tensor_by_name(session_name(name)).op.type != "NoOp"
