"""The sizes of unknown dimensions that TensorFlow's shape functions accept."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from fixtures.catalogue import FIXTURES, Fixture
from harness.domain import Axis, Domain, Lengths, SizeOf, Sparse
from harness.errors import Rejected
from harness.graph.extract import extract
from harness.graph.sizes import trials
from harness.graph.sizes.working import working_sizes
from harness.inputs.dtypes import numpy_dtype
from harness.models.model import Model
from harness.models.opening import open_model
from harness.runtime import Mode, Runner
from harness.signature import Shape, Signature, TensorSpec
from harness.subject import Request

v1 = tf.compat.v1

Extracted = Callable[[GraphDef, tuple[str, ...]], Model]
Sizes = Mapping[str, tuple[int, ...]]

BATCH = {"batch": tuple(range(9))}
NO_EMPTY_BATCH = {"batch": tuple(range(1, 9))}


def given(name: str, *shape: int | None, dtype: tf.DType = tf.float32) -> tf.Tensor:
    return v1.placeholder(dtype, shape, name=name)


def pictures(name: str = "x", channels: int | None = 3) -> tf.Tensor:
    return given(name, None, None, None, channels)


def weights(*shape: int) -> tf.Tensor:
    return tf.ones(shape)


def convolved(x: tf.Tensor, size: int = 3, *, padding: str = "VALID", **how: Any) -> tf.Tensor:
    channels = x.shape[3] or 3
    return tf.nn.conv2d(x, weights(size, size, channels, 4), 1, padding, **how)


def halved(x: tf.Tensor, padding: str = "VALID") -> tf.Tensor:
    return tf.nn.max_pool2d(x, 2, 2, padding)


def encoded_and_decoded(x: tf.Tensor) -> tf.Tensor:
    """Three halvings and as many doublings, each beside what it was halved from."""
    levels = [x]
    for _ in range(3):
        levels.append(halved(levels[-1], "SAME"))
    y = levels.pop()
    while levels:
        size = 2 * tf.shape(y)[1:3]
        y = tf.concat([levels.pop(), v1.image.resize_nearest_neighbor(y, size)], axis=3)
    return y


def upon(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.concat([x, y], axis=0)


def beside(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.concat([x, y], axis=1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A graph, what is found of it, and sizes outside that TensorFlow refuses when it runs."""

    build: Callable[[], tf.Tensor]
    shapes: Mapping[str, tuple[int | str, ...]]
    sizes: Sizes
    refused: tuple[Mapping[str, int], ...] = field(default=())


CASES = {
    "a batch, of any size": Case(
        build=lambda: tf.matmul(given("x", None, 4), weights(4, 2)),
        shapes={"x": ("batch", 4)},
        sizes=BATCH,
    ),
    "other dimensions, of any size": Case(
        build=lambda: tf.square(given("x", None, None)),
        shapes={"x": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": tuple(range(33))},
    ),
    "a convolution within the picture": Case(
        build=lambda: convolved(pictures(), 7),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={**BATCH, "height": tuple(range(7, 39)), "width": tuple(range(7, 39))},
        refused=({"height": 5}, {"width": 5}),  # of 6 a kernel makes a picture of no height
    ),
    "convolutions and pools in a row": Case(
        build=lambda: halved(convolved(halved(convolved(pictures())))),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={**BATCH, "height": tuple(range(10, 42)), "width": tuple(range(10, 42))},
        refused=({"height": 9}, {"width": 9}),
    ),
    "a large least size, of which few are drawn": Case(
        build=lambda: tf.nn.avg_pool2d(pictures(), 60, 1, "VALID"),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={
            **BATCH,
            "height": (60, 61, 62, 65, 72, 84, 91),
            "width": (60, 61, 62, 65, 72, 84, 91),
        },
        refused=({"height": 58}, {"width": 58}),
    ),
    "a batch that a Reshape states": Case(
        build=lambda: tf.reshape(given("x", None, 2), (8, 2)),
        shapes={"x": ("batch", 2)},
        sizes={"batch": (8,)},
        refused=({"batch": 7}, {"batch": 9}),
    ),
    "a large batch that a Reshape states": Case(
        build=lambda: tf.reshape(given("x", None, 2), (100, 2)),
        shapes={"x": ("batch", 2)},
        sizes={"batch": (100,)},
        refused=({"batch": 99}, {"batch": 8}),
    ),
    "a batch that a Reshape leaves open": Case(
        build=lambda: tf.reshape(given("x", None, 2), (-1, 1, 2)),
        shapes={"x": ("batch", 2)},
        sizes=BATCH,
    ),
    "pictures flattened for a dense layer": Case(
        build=lambda: tf.matmul(tf.reshape(pictures(channels=1), (-1, 784)), weights(784, 2)),
        shapes={"x": ("batch", "x[1]", "x[2]", 1)},
        sizes={**BATCH, "x[1]": (28,), "x[2]": (28,)},
        refused=({"x[1]": 27}, {"x[2]": 29}),
    ),
    "pictures convolved, pooled and flattened": Case(
        build=lambda: tf.reshape(halved(halved(convolved(pictures(), padding="SAME"))), (-1, 196)),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={**BATCH, "height": (28, 29, 30, 31), "width": (28, 29, 30, 31)},
        refused=({"height": 27}, {"width": 32}),
    ),
    "pictures of two sides, flattened": Case(
        build=lambda: tf.reshape(convolved(pictures(), 1), (-1, 20 * 60 * 4)),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={**BATCH, "height": (30,), "width": (40,)},
        refused=({"height": 29}, {"width": 41}),
    ),
    "one batch of two inputs": Case(
        build=lambda: beside(given("x", None, 2), given("y", None, 3)),
        shapes={"x": ("batch", 2), "y": ("batch", 3)},
        sizes=BATCH,
    ),
    "a matrix that is multiplied by another": Case(
        build=lambda: tf.matmul(given("x", None, None), given("y", None, 4)),
        shapes={"x": ("batch", "x[1]"), "y": ("x[1]", 4)},
        sizes={**BATCH, "x[1]": tuple(range(33))},
    ),
    "columns that two inputs share": Case(
        build=lambda: upon(given("x", None, None), given("y", None, None)),
        shapes={"x": ("batch", "x[1]"), "y": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": tuple(range(33))},
    ),
    "a square": Case(
        build=lambda: tf.matmul(given("x", None, None), tf.transpose(v1.get_default_graph()
                                .get_tensor_by_name("x:0")) + v1.get_default_graph()
                                .get_tensor_by_name("x:0")),
        shapes={"x": ("x[0]", "x[0]")},
        sizes={"x[0]": tuple(range(33))},
    ),
    "rows that weights state, beside a batch": Case(
        build=lambda: tf.matmul(given("x", None, 3), given("y", None, 4)),
        shapes={"x": ("batch", 3), "y": ("y[0]", 4)},
        sizes={**BATCH, "y[0]": (3,)},
        refused=({"y[0]": 2}, {"y[0]": 4}),
    ),
    "rows of two inputs that must be ten in all": Case(
        build=lambda: tf.reshape(upon(given("x", None, 2), given("y", None, 2)), (10, 2)),
        shapes={"x": ("batch", 2), "y": ("y[0]", 2)},
        sizes={"batch": (5,), "y[0]": (5,)},
        refused=({"batch": 8}, {"y[0]": 4}),
    ),
    "columns that weights state": Case(
        build=lambda: tf.matmul(given("x", None, None), weights(5, 2)),
        shapes={"x": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": (5,)},
        refused=({"x[1]": 4}, {"x[1]": 6}),
    ),
    "many columns that weights state": Case(
        build=lambda: tf.matmul(given("x", None, None), weights(2000, 2)),
        shapes={"x": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": (2000,)},
        refused=({"x[1]": 1999}, {"x[1]": 2001}),
    ),
    "blocks of four": Case(
        build=lambda: tf.nn.space_to_depth(pictures(), 4),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={**BATCH, "height": tuple(range(0, 33, 4)), "width": tuple(range(0, 33, 4))},
        refused=({"height": 6}, {"width": 5}),
    ),
    "large blocks": Case(
        build=lambda: tf.nn.space_to_depth(given("x", None, None, 40, 3), 20),
        shapes={"x": ("batch", "height", 40, 3)},
        sizes={**BATCH, "height": (0, 20, 40, 60, 80)},
        refused=({"height": 30},),
    ),
    "groups of four columns, by the shape of the input": Case(
        build=lambda: tf.reshape(given("x", None, None), (-1, 5, 4)),
        shapes={"x": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": (20,)},
        refused=({"x[1]": 19},),
    ),
    "halves that are doubled again": Case(
        build=lambda: encoded_and_decoded(pictures()),
        shapes={"x": ("batch", "height", "width", 3)},
        sizes={**BATCH, "height": (0, 8, 16, 24, 32), "width": (0, 8, 16, 24, 32)},
        refused=({"height": 7}, {"width": 12}),
    ),
    "a first row, which an empty batch has not": Case(
        build=lambda: given("x", None, 4)[0],
        shapes={"x": ("batch", 4)},
        sizes=NO_EMPTY_BATCH,
        refused=({"batch": 0},),
    ),
    "a fifth row": Case(
        build=lambda: given("x", None, 4)[4],
        shapes={"x": ("batch", 4)},
        sizes={"batch": (5, 6, 7, 8)},
        refused=({"batch": 4},),
    ),
    "channels that weights state": Case(
        build=lambda: convolved(pictures(channels=None), padding="SAME"),
        shapes={"x": ("batch", "height", "width", "x[3]")},
        sizes={**BATCH, "height": tuple(range(33)), "width": tuple(range(33)), "x[3]": (3,)},
        refused=({"x[3]": 2}, {"x[3]": 4}),
    ),
    "columns that a table states, or one that is broadcast": Case(
        build=lambda: given("x", None, None) + weights(128),
        shapes={"x": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": (1, 128)},
        refused=({"x[1]": 2}, {"x[1]": 127}),
    ),
    "samples of which fewer than a window make nothing": Case(
        build=lambda: tf.signal.frame(given("x", None, None), 400, 160),
        shapes={"x": ("batch", "x[1]")},
        sizes={**BATCH, "x[1]": (0, 400, 401, 402, 405, 412, 424, 431)},
    ),
    "an input that may not be empty where the other is small": Case(
        build=lambda: beside(given("x", 3, None), given("y", 3, None))[:, 1],
        shapes={"x": (3, "x[1]"), "y": (3, "y[1]")},
        sizes={"x[1]": tuple(range(1, 33)), "y[1]": tuple(range(1, 33))},
        refused=({"x[1]": 0}, {"y[1]": 0}),
    ),
    "pictures too large for many": Case(
        build=lambda: convolved(given("x", None, 224, 224, 3)),
        shapes={"x": ("batch", 224, 224, 3)},
        sizes={"batch": tuple(range(7))},
    ),
}  # fmt: skip


def found_of(model: Model, domains: Mapping[str, Domain] | None = None) -> dict[str, Domain]:
    return working_sizes(model.graph_def, model.signature, domains or {})


def shapes_of(domains: Mapping[str, Domain]) -> dict[str, tuple[object, ...]]:
    """Shapes, with the names of axes in the place of unknown dimensions."""
    return {
        name: tuple(s.name if isinstance(s, Axis) else s for s in domain.shape or ())
        for name, domain in domains.items()
    }


def axes_of(domains: Mapping[str, Domain]) -> dict[str, Axis]:
    found: dict[str, Axis] = {}
    for domain in domains.values():
        sparse = domain.values.shape if isinstance(domain.values, Sparse) else ()
        for size in (*(domain.shape or ()), *sparse):
            if isinstance(size, Axis):
                assert found.setdefault(size.name, size) == size, "axes of one name are one axis"
    return found


def sizes_of(domains: Mapping[str, Domain]) -> dict[str, tuple[int, ...]]:
    return {name: axis.sizes for name, axis in axes_of(domains).items()}


class Session:
    """Says whether a session, with its optimisers off, accepts inputs of some sizes."""

    def __init__(self, model: Model, domains: Mapping[str, Domain]) -> None:
        self.model, self.domains = model, domains
        self.runner = Runner(model, mode=Mode.STRICT)

    def accepts(self, sizes: Mapping[str, int]) -> bool:
        feeds = {}
        for spec in self.model.signature.inputs:
            stated = self.domains[spec.name].shape
            shape = spec.shape if stated is None else stated
            shape = (2, 3) if shape is None else shape
            actual = tuple(sizes[s.name] if isinstance(s, Axis) else int(s or 0) for s in shape)
            dtype = numpy_dtype(spec.dtype)
            feeds[spec.name] = np.full(actual, b"1" if dtype.kind == "O" else 0, dtype)
        try:
            self.runner(feeds)
        except Rejected:
            return False
        return True


@pytest.fixture
def model_of(extracted: Extracted, graph: tf.Graph) -> Callable[[tf.Tensor], Model]:
    """The tensor that is the output -> the model of the default graph."""

    def build(output: tf.Tensor) -> Model:
        tf.identity(output, name="out")
        return extracted(graph.as_graph_def(), ("out",))

    return build


ModelOf = Callable[[tf.Tensor], Model]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_sizes_are_what_shape_functions_accept(case: Case, model_of: ModelOf) -> None:
    domains = found_of(model_of(case.build()))

    assert shapes_of(domains) == case.shapes
    assert sizes_of(domains) == case.sizes


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_is_drawn_runs_and_what_lies_outside_does_not(case: Case, model_of: ModelOf) -> None:
    model = model_of(case.build())
    domains = found_of(model)
    session = Session(model, domains)
    draws = random.Random(1)
    drawn = {name: [s for s in sizes if s] for name, sizes in sizes_of(domains).items()}

    for _ in range(30):
        sizes = {name: draws.choice(choices) for name, choices in drawn.items()}
        assert session.accepts(sizes), sizes
    for outside in case.refused:
        sizes = {name: choices[0] for name, choices in drawn.items()}
        assert not session.accepts({**sizes, **outside})


def test_sizes_that_fit_alone_but_not_together_are_not_drawn(model_of: ModelOf) -> None:
    """Pictures of which at least 60 pixels are wanted, in any form."""
    x = given("x", None, None, None, 1)
    pixels = tf.reshape(x, (tf.shape(x)[0], -1, 1))
    model = model_of(tf.nn.conv1d(pixels, weights(60, 1, 2), 1, "VALID"))

    sizes = sizes_of(found_of(model))

    least = [min(filter(None, sizes[name])) for name in ("height", "width")]
    assert least[0] * least[1] >= 60, sizes
    assert len(sizes["height"]) > 10
    assert len(sizes["width"]) > 10


def test_sizes_that_fit_where_they_are_smallest_and_largest_may_not_fit_between(
    model_of: ModelOf,
) -> None:
    x = given("x", None, None, None)
    model = model_of(tf.reshape(x, (tf.shape(x)[0], -1, 6)))
    known = tuple(Axis(name=name, sizes=(2, 3, 4)) for name in ("rows", "columns"))

    sizes = sizes_of(found_of(model, {"x": Domain(shape=(None, *known))}))

    assert all(a * b % 6 == 0 for a in sizes["rows"] for b in sizes["columns"]), sizes
    assert len(sizes["rows"]) * len(sizes["columns"]) > 2


def test_the_node_that_refuses_other_sizes_is_named(model_of: ModelOf) -> None:
    with tf.name_scope("tower/deep"):
        output = tf.nn.conv2d(pictures(), weights(7, 7, 3, 4), 1, "VALID", name="conv")

    height = axes_of(found_of(model_of(output)))["height"]

    assert height.refused_by == "tower/deep/conv"
    assert str(height) == "height 7..38 (some others are refused by tower/deep/conv)"


def test_who_refuses_nothing_but_an_empty_batch_is_not_named(model_of: ModelOf) -> None:
    assert axes_of(found_of(model_of(given("x", None, 4)[0])))["batch"].refused_by == ""


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((None, 3, None, None), ("batch", 3, "height", "width")),
        ((None, None, None, 3), ("batch", "height", "width", 3)),
    ],
    ids=["NCHW", "NHWC"],
)
def test_height_and_width_stand_where_channels_leave_them(
    shape: Shape, names: tuple[int | str, ...], model_of: ModelOf
) -> None:
    x = given("x", *shape)
    nhwc = x if shape[3] else tf.transpose(x, (0, 2, 3, 1))

    assert shapes_of(found_of(model_of(convolved(nhwc)))) == {"x": names}


def test_two_inputs_of_pictures_have_names_of_their_own(model_of: ModelOf) -> None:
    sums = [tf.reduce_sum(convolved(pictures(name)), axis=(1, 2)) for name in ("x", "y")]

    found = shapes_of(found_of(model_of(sums[0] + sums[1])))

    assert found == {"x": ("batch", "height", "width", 3), "y": ("batch", "y[1]", "y[2]", 3)}


def test_an_axis_with_lengths_is_called_time(model_of: ModelOf) -> None:
    lengths = given("lengths", None, dtype=tf.int32)
    model = model_of(tf.reverse_sequence(given("x", None, None, 4), lengths, 1, 0))

    found = found_of(model, {"lengths": Domain(values=Lengths(of="x", axis=1))})

    assert shapes_of(found) == {"x": ("batch", "time", 4), "lengths": ("batch",)}
    assert found["lengths"].values == Lengths(of="x", axis=1)
    assert sizes_of(found)["time"] == tuple(range(1, 33)), "a length is 1 at least"


def test_an_input_that_holds_a_size_is_looked_into(model_of: ModelOf) -> None:
    rows = given("rows", dtype=tf.int32)
    model = model_of(tf.reduce_sum(tf.reshape(given("x", None, None), (rows, 4)), axis=0))

    blind = found_of(model)
    seeing = found_of(model, {"rows": Domain(values=SizeOf(of="x", axis=0))})

    assert sizes_of(blind)["x[1]"] == tuple(range(0, 33, 4))
    assert sizes_of(seeing)["x[1]"] == (4,)


def test_no_element_may_hold_a_size_where_the_batch_is_empty(model_of: ModelOf) -> None:
    rows = given("rows", None, dtype=tf.int32)
    x = given("x", None, None)
    model = model_of(tf.cast(rows, tf.float32)[:, None] * x)

    found = found_of(model, {"rows": Domain(values=SizeOf(of="x", axis=1))})

    assert shapes_of(found)["rows"] == ("batch",)


def test_an_input_that_holds_a_size_may_be_empty(model_of: ModelOf) -> None:
    """As many numbers of rows as there are rows."""
    rows = given("rows", None, dtype=tf.int32)
    model = model_of(given("x", None, 4) * tf.cast(rows, tf.float32)[:, None])

    found = found_of(model, {"rows": Domain(values=SizeOf(of="x", axis=0))})

    assert sizes_of(found) == BATCH


def test_axes_that_are_known_keep_name_and_sizes(model_of: ModelOf) -> None:
    steps = Axis(name="steps", sizes=(2, 3, 4, 8))
    model = model_of(tf.reshape(given("x", None, None), (-1, 4)))

    found = found_of(model, {"x": Domain(shape=(None, steps))})

    assert sizes_of(found) == {"batch": tuple(range(9)), "steps": (4, 8)}


def test_a_shape_that_is_known_is_kept(model_of: ModelOf) -> None:
    model = model_of(tf.square(given("x", None, None)))

    assert shapes_of(found_of(model, {"x": Domain(shape=(None, 5))})) == {"x": ("batch", 5)}


@pytest.fixture
def sparse(graph: tf.Graph) -> Callable[[str], tf.SparseTensor]:
    def fed(name: str) -> tf.SparseTensor:
        return tf.SparseTensor(
            given(f"{name}/indices", None, 2, dtype=tf.int64),
            given(f"{name}/values", None),
            given(f"{name}/shape", 2, dtype=tf.int64),
        )

    del graph
    return fed


def matrix(name: str) -> dict[str, Domain]:
    """What is known of a matrix that is fed in parts."""
    axes = tuple(Axis(name=f"{name}.{what}", sizes=(1, 2, 3, 4)) for what in ("rows", "columns"))
    together = Sparse(values=f"{name}/values", dense_shape=f"{name}/shape", shape=axes)
    return {f"{name}/indices": Domain(values=together)}


def sparse_shape(domain: Domain) -> tuple[object, ...]:
    assert isinstance(domain.values, Sparse)
    return tuple(s.name if isinstance(s, Axis) else s for s in domain.values.shape)


def test_columns_of_a_sparse_matrix_that_weights_state(
    sparse: Callable[[str], tf.SparseTensor], model_of: ModelOf
) -> None:
    model = model_of(tf.sparse.sparse_dense_matmul(sparse("a"), weights(32, 2)))

    found = found_of(model, matrix("a"))

    assert sparse_shape(found["a/indices"]) == ("batch", "a.columns")
    assert sizes_of(found) == {"batch": (1, 2, 3, 4), "a.columns": (32,)}
    assert found["a/indices"].shape is None, "as many entries as are drawn"


def test_a_graph_convolution_wants_a_square_of_as_many_rows(
    sparse: Callable[[str], tf.SparseTensor], model_of: ModelOf
) -> None:
    features = tf.sparse.sparse_dense_matmul(sparse("features"), weights(5, 3))
    adjacency = sparse("adjacency")
    for _ in range(2):
        features = tf.sparse.sparse_dense_matmul(adjacency, features)
    model = model_of(features)

    found = found_of(model, {**matrix("features"), **matrix("adjacency")})

    (nodes, columns) = sparse_shape(found["features/indices"])
    assert sparse_shape(found["adjacency/indices"]) == (nodes, nodes)
    assert sizes_of(found) == {nodes: (1, 2, 3, 4), columns: (5,)}


class Flattening(tf.Module):
    """A model whose computation stands in a function of a function."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.ones((5, 5, 3, 4)))

    @tf.function
    def convolve(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, self.kernel, 1, "VALID", name="conv")

    @tf.function(input_signature=[tf.TensorSpec((None, None, 9, 3), tf.float32, name="x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.convolve(x)}


def test_functions_of_a_saved_model_are_looked_into(tmp_path: Path) -> None:
    module = Flattening()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.serve)
    model = open_model(Request(path=tmp_path / "saved"))

    axes = axes_of(found_of(model))

    assert axes["height"].sizes == tuple(range(5, 37))
    assert axes["height"].refused_by.endswith("/conv")


@pytest.mark.parametrize("is_v2", [False, True], ids=["V1", "V2"])
def test_branches_are_looked_into(is_v2: bool, model_of: ModelOf) -> None:
    x = given("x", None, None)
    cond = tf.compat.v1.cond if not is_v2 else tf.cond
    switch = v1.enable_control_flow_v2 if is_v2 else v1.disable_control_flow_v2
    was_v2 = v1.control_flow_v2_enabled()
    switch()
    try:
        y = cond(given("flag", dtype=tf.bool), lambda: x @ weights(6, 2), lambda: x[:, :2])
    finally:
        (v1.enable_control_flow_v2 if was_v2 else v1.disable_control_flow_v2)()

    assert sizes_of(found_of(model_of(y)))["x[1]"] == (6,)


def test_the_same_graph_has_the_same_sizes(model_of: ModelOf) -> None:
    model = model_of(tf.reshape(halved(convolved(pictures())), (-1, 196)))

    assert found_of(model) == found_of(model)


def test_where_nothing_may_be_tried_sizes_are_the_usual_ones(model_of: ModelOf) -> None:
    model = model_of(convolved(pictures(), 7))

    found = working_sizes(model.graph_def, model.signature, {}, budget=0)

    assert shapes_of(found) == {"x": ("batch", "height", "width", 3)}
    usual = {"batch": range(1, 9), "height": range(1, 33), "width": range(1, 33)}
    assert sizes_of(found) == {name: tuple(sizes) for name, sizes in usual.items()}


def test_where_little_may_be_tried_what_was_found_is_kept(model_of: ModelOf) -> None:
    model = model_of(tf.matmul(given("x", None, None), weights(5, 2)))
    ample = working_sizes(model.graph_def, model.signature, {})

    for budget in range(0, 3000, 50):
        found = working_sizes(model.graph_def, model.signature, {}, budget=budget)
        assert sizes_of(found)["x[1]"] in {tuple(range(1, 33)), (5,)}
    assert sizes_of(ample)["x[1]"] == (5,)


def test_however_little_may_be_tried_a_batch_is_one(model_of: ModelOf) -> None:
    """Also where the trials end when one input is settled and the other is not."""
    x, y = given("x", None, None), given("y", None, None)
    model = model_of(beside(x @ weights(5, 2), y @ weights(6, 2)))

    for budget in range(0, 6000, 50):
        found = shapes_of(working_sizes(model.graph_def, model.signature, {}, budget=budget))
        assert found == {"x": ("batch", "x[1]"), "y": ("batch", "y[1]")}


def test_few_sizes_are_tried_of_a_large_graph(model_of: ModelOf) -> None:
    x = convolved(pictures(), 7)
    for _ in range(100):
        x = tf.nn.relu(x)
    model = model_of(x)

    found = working_sizes(model.graph_def, model.signature, {}, budget=8000)

    assert sizes_of(found)["height"] == (7, 8, 9, 12, 19, 31, 32, 38)


def test_a_graph_that_cannot_be_imported_has_the_usual_sizes(model_of: ModelOf) -> None:
    model = model_of(tf.square(given("x", None, 2)))
    model.graph_def.node[1].op = "NoSuchOp"

    assert sizes_of(found_of(model)) == NO_EMPTY_BATCH


def test_an_input_in_mid_graph_is_given_sizes(extracted: Extracted, graph: tf.Graph) -> None:
    parts = tf.split(given("x", None, 8), 2, axis=1, name="parts")
    tf.matmul(parts[1], weights(4, 2), name="out")
    whole = graph.as_graph_def()
    spec = TensorSpec(name="parts:1", dtype="float32", shape=(None, None))
    part = extract(whole, inputs=[spec], outputs=["out"])
    signature = Signature(inputs=(spec,), outputs=extracted(whole, ("out",)).signature.outputs)

    found = working_sizes(part, signature, {})

    assert sizes_of(found) == {**BATCH, "parts:1[1]": (4,)}


def test_an_attribute_without_a_value_does_no_harm(model_of: ModelOf) -> None:
    """As one that is left out for its default leaves in the node when it is looked up."""
    model = model_of(tf.matmul(given("x", None, None), weights(5, 2), name="product"))
    (product,) = (node for node in model.graph_def.node if node.name == "product")
    del product.attr["transpose_a"]
    assert not product.attr["transpose_a"].b

    assert sizes_of(found_of(model))["x[1]"] == (5,)


def test_a_legacy_graph_is_tried_as_it_is(model_of: ModelOf) -> None:
    """Where `[]` is no scalar but an unknown shape."""
    rate = given("rate")
    model = model_of(tf.matmul(given("x", None, None), weights(5, 2)) * rate)
    model.graph_def.versions.producer = 20

    found = found_of(model, {"rate": Domain(shape=())})

    assert sizes_of(found) == {**BATCH, "x[1]": (5,)}


def test_without_the_fast_import_the_sizes_are_the_same(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(tf.matmul(tf.reshape(pictures(), (-1, 48)), weights(48, 2)))
    found = found_of(model)

    monkeypatch.setattr(trials, "_IMPORTS_IN_C", False)

    assert sizes_of(found)["x[1]"] == (4,)
    assert found_of(model) == found


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_fixture_runs_with_what_is_drawn(
    fixture: Fixture, built: Callable[[str], Path]
) -> None:
    model = open_model(Request(path=built(fixture.name)))

    domains = found_of(model)

    session = Session(model, domains)
    drawn = {name: [s for s in sizes if s] for name, sizes in sizes_of(domains).items()}
    assert drawn.get("batch", [1])[0] == 1
    for pick in (min, max, random.Random(2).choice):
        assert session.accepts({name: pick(sizes) for name, sizes in drawn.items()})


@pytest.mark.parametrize("positions", [64, 128, 512])
def test_a_table_of_positions_leaves_the_time_open(positions: int, model_of: ModelOf) -> None:
    """Also where it has fewer rows than the sizes that are tried first."""
    x, mask = given("x", None, None, 4), given("mask", None, None)
    table = weights(positions, 4)
    summed = x + table[: tf.shape(x)[1]]
    model = model_of(
        summed * mask[:, :, tf.newaxis] + tf.matmul(summed, summed, transpose_b=True) @ x
    )

    found = found_of(model)

    assert sizes_of(found)["x[1]"] == tuple(range(33))
    assert shapes_of(found)["mask"] == ("batch", "x[1]")
