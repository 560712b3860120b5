"""Which variables a model has, and from which tensor of the checkpoint each is restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from harness.graph.extract import extract
from harness.graph.restoring import CheckpointEntry
from harness.graph.state import Variable
from harness.models.variables import (
    local_variables_of,
    trainable_variables_of,
    variables_of,
)

EITHER_KIND = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
ENTRY = CheckpointEntry(key="saved/w", slice_spec="3 0,3")


def holder(name: str, shared_name: str = "", *, resource: bool = True, container: str = "") -> Any:
    """The value of a variable of which no saver knows."""
    kept = {"dtype": tf.float32, "shape": (3,), "container": container}
    kept |= {"shared_name": shared_name, "name": name}
    if resource:
        return tf.raw_ops.ReadVariableOp(resource=tf.raw_ops.VarHandleOp(**kept), dtype=tf.float32)
    return tf.raw_ops.Identity(input=tf.raw_ops.VariableV2(**kept))


def graph_of(build: Callable[[], Any]) -> GraphDef:
    with tf.Graph().as_default() as graph:
        tf.identity(build(), name="y")
        return graph.as_graph_def()


def variables(
    build: Callable[[], Any],
    entries: Mapping[str, CheckpointEntry] | None = None,
    local: Collection[str] = (),
) -> dict[str, Variable]:
    """The variables that `y`, which `build` returns the value of, needs, by name."""
    whole = graph_of(build)
    found = variables_of(
        extract(whole, inputs=(), outputs=["y"]),
        whole=whole,
        entries=entries or {},
        local_variables=local,
    )
    return {variable.name: variable for variable in found}


@EITHER_KIND
def test_a_second_node_of_a_resource_is_restored_from_the_entry_of_the_first(
    resource: bool,
) -> None:
    def build() -> Any:
        return holder("w", "w", resource=resource) + holder("again", "w", resource=resource)

    found = variables(build, {"w": ENTRY})
    assert {(v.key, v.slice_spec) for v in found.values()} == {("saved/w", "3 0,3")}
    assert set(found) == {"w", "again"}


@EITHER_KIND
def test_so_it_is_where_the_first_is_off_the_path(resource: bool) -> None:
    def build() -> Any:
        holder("w", "w", resource=resource)
        return holder("again", "w", resource=resource)

    assert variables(build, {"w": ENTRY})["again"].key == "saved/w"


@EITHER_KIND
def test_a_node_with_an_entry_of_its_own_keeps_it(resource: bool) -> None:
    def build() -> Any:
        return holder("w", "w", resource=resource) + holder("again", "w", resource=resource)

    own = CheckpointEntry(key="again")
    assert variables(build, {"w": ENTRY, "again": own})["again"].key == "again"


def test_what_is_in_another_container_is_another_variable() -> None:
    def build() -> Any:
        return holder("w", "w") + holder("again", "w", container="c")

    again = variables(build, {"w": ENTRY})["again"]
    assert again.key == "again"
    assert again.is_left_out


def in_a_function(**options: Any) -> Callable[[], Any]:
    def build() -> Any:
        holder("w", "w")
        return tf.function(lambda: holder("inner", **options), autograph=False)()

    return build


def test_a_variable_in_a_function_is_restored_from_the_entry_of_its_resource() -> None:
    (found,) = variables(in_a_function(shared_name="w"), {"w": ENTRY}).values()
    assert found.key == "saved/w"
    assert found.name == f"inner of the function {found.function}"
    assert not found.is_left_out


def test_a_node_of_the_same_name_in_the_main_graph_has_nothing_to_do_with_it() -> None:
    def build() -> Any:
        holder("inner", "another")
        return in_a_function(shared_name="w")()

    entries = {"inner": CheckpointEntry(key="another"), "w": ENTRY}
    (found,) = variables(build, entries).values()
    assert found.key == "saved/w"


@pytest.mark.parametrize(("shared_name", "key"), [("s", "s"), ("", "inner")])
def test_without_any_saver_it_goes_by_its_shared_name(shared_name: str, key: str) -> None:
    (found,) = variables(in_a_function(shared_name=shared_name)).values()
    assert found.key == key
    assert not found.is_left_out


def test_without_any_saver_a_further_handle_goes_by_the_name_of_the_first() -> None:
    found = variables(lambda: holder("w", "w") + holder("again", "w") + holder("x/v", "v"))
    assert {name: v.key for name, v in found.items()} == {"w": "w", "again": "w", "x/v": "x/v"}


def test_a_variable_that_the_saver_does_not_restore_is_left_out() -> None:
    found = variables(lambda: holder("w", "w") + holder("v", "v"), {"w": ENTRY})
    assert {name: v.is_left_out for name, v in found.items()} == {"w": False, "v": True}


@EITHER_KIND
def test_of_a_variable_left_out_it_is_known_which_other_its_name_is_restored_into(
    resource: bool,
) -> None:
    def build() -> Any:
        return sum(holder(name, name, resource=resource) for name in ("w", "average", "v"))

    found = variables(build, {"average": CheckpointEntry(key="w")})
    assert {name: v.restored_into for name, v in found.items()} == {
        "w": "average",
        "average": "",
        "v": "",
    }


def test_what_a_saver_restores_into_no_variable_is_restored_into_no_other() -> None:
    entries = {"passed_on": CheckpointEntry(key="w")}
    (found,) = variables(lambda: holder("w", "w"), entries).values()
    assert (found.is_left_out, found.restored_into) == (True, "")


def test_every_node_of_a_local_variable_is_local() -> None:
    def build() -> Any:
        return holder("count", "count") + holder("again", "count") + holder("w", "w")

    found = variables(build, {"w": ENTRY}, local=["count", "gone"])
    assert {name for name, v in found.items() if v.is_local} == {"count", "again"}


def meta_graph(build: Callable[[], object]) -> MetaGraphDef:
    with tf.Graph().as_default():
        build()
        return tf.compat.v1.train.export_meta_graph()


@EITHER_KIND
def test_local_variables_are_those_of_the_collection(resource: bool) -> None:
    def build() -> None:
        local = [tf.compat.v1.GraphKeys.LOCAL_VARIABLES]
        tf.compat.v1.get_variable("w", (2,), use_resource=resource)
        tf.compat.v1.get_variable("a/count", (2,), use_resource=resource, collections=local)

    assert local_variables_of(meta_graph(build)) == {"a/count"}


def test_the_counters_of_metrics_are_local_variables() -> None:
    found = local_variables_of(meta_graph(lambda: tf.compat.v1.metrics.mean(tf.ones((2,)))))
    assert found == {"mean/total", "mean/count"}


def test_what_is_no_variable_in_the_collection_is_passed_over() -> None:
    meta = meta_graph(lambda: tf.compat.v1.metrics.mean(tf.ones((2,))))
    meta.collection_def["local_variables"].bytes_list.value.append(b"\xff\xff")
    assert local_variables_of(meta) == {"mean/total", "mean/count"}


def test_a_graph_without_the_collection_has_none() -> None:
    assert local_variables_of(MetaGraphDef()) == frozenset()


@EITHER_KIND
def test_trainable_variables_are_those_of_the_collection(resource: bool) -> None:
    def build() -> None:
        for name, trainable in (("layer/w", True), ("layer/moving_mean", False)):
            tf.compat.v1.get_variable(name, (2,), trainable=trainable, use_resource=resource)

    found = trainable_variables_of(meta_graph(build))
    assert found is not None
    assert [(each.name, each.is_reference) for each in found] == [("layer/w", not resource)]


def test_shards_are_trainable_one_by_one() -> None:
    def build() -> None:
        cut = tf.compat.v1.fixed_size_partitioner(2)
        tf.compat.v1.get_variable("w", (4,), partitioner=cut, use_resource=True)

    found = trainable_variables_of(meta_graph(build))
    assert found is not None
    assert {each.name for each in found} == {"w/part_0", "w/part_1"}


@pytest.mark.parametrize("lost", ["collection", "values", "nodes"])
def test_where_no_collection_tells_what_is_trained_it_is_not_known(lost: str) -> None:
    meta = meta_graph(lambda: tf.compat.v1.get_variable("w", (2,)))
    if lost == "collection":
        del meta.collection_def["trainable_variables"]
    elif lost == "values":
        meta.collection_def["trainable_variables"].bytes_list.value[:] = [b"\xff\xff"]
    else:
        del meta.graph_def.node[:]
    assert trainable_variables_of(meta) is None
