"""Each difference is told once, by what somebody did to the reference."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pytest

from harness.graph.normal.graph import NormalGraph, Tensor
from harness.graph.structure.matching import match
from tests.graph.structure.building import Builder, edits, matched, named_leaves, reordered

Build = Callable[[Builder, Tensor], Tensor]


def between(build: Build, *, is_frozen: bool = False) -> NormalGraph:
    """What `build` makes of a hidden layer, before a last layer."""
    graph = Builder()
    weight = graph.weight if is_frozen else graph.variable
    hidden = graph.op("MatMul", "hidden", graph.input("x", shape=(None, 4)), weight("one"))
    made = build(graph, hidden)
    return graph.graph(graph.op("Relu", "out", graph.op("MatMul", "last", made, weight("two"))))


def told(reference: Build, candidate: Build) -> list[str]:
    """The edits, where both layers of weights kept their places."""
    graphs = between(reference), between(candidate, is_frozen=True)
    assert {("one", "one"), ("two", "two")} <= set(named_leaves(*graphs))
    return edits(*graphs)


def plain(_: Builder, x: Tensor) -> Tensor:
    return x


def zeros(graph: Builder, _: Tensor) -> Tensor:
    return graph.constant("zeros", 0)


def with_op(op: str, name: str = "", **attributes: Hashable) -> Build:
    return lambda graph, x: graph.op(op, name or op, x, **attributes)


def with_constant(op: str, value: object, *, first: bool = False, name: str = "node") -> Build:
    def build(graph: Builder, x: Tensor) -> Tensor:
        constant = graph.constant(f"{name}/y", value)
        return graph.op(op, name, *((constant, x) if first else (x, constant)))

    return build


def random_drop(graph: Builder, x: Tensor) -> Tensor:
    drawn = graph.op("RandomUniform", "random", graph.op("Shape", "shape", x), seed=1)
    scaled = graph.op("Mul", "scaled", x, graph.constant("two", 2))
    return graph.op("Mul", "dropped", scaled, graph.op("Cast", "kept", drawn))


@pytest.mark.parametrize(
    ("reference", "candidate", "sentence"),
    [
        (with_op("BiasAdd", "conv1/BiasAdd"), plain,
         "conv1/BiasAdd (BiasAdd) missing before last"),
        (with_op("Softmax"), plain, "Softmax missing before last"),
        (plain, with_op("ClipByValue", "clip"), "ClipByValue added between hidden and last"),
        (with_op("Tanh", "act"), with_op("Sigmoid", "act"), "act (Tanh) became Sigmoid"),
        (with_op("Tanh", "act"), with_op("Sigmoid", "fault"), "act (Tanh) became Sigmoid"),
        (with_op("Pool", "pool", strides=(1, 2)), with_op("Pool", "pool", strides=(1, 1)),
         "pool (Pool): strides [1, 2] became [1, 1]"),
        (with_op("Pool", "pool", padding=b"SAME"), with_op("Pool", "pool", padding=b"VALID"),
         "pool (Pool): padding SAME became VALID"),
        (with_op("LeakyRelu", "act"), with_op("LeakyRelu", "act", alpha=0.3),
         "act (LeakyRelu): alpha 0.2 became 0.3"),
        (with_constant("Sub", 128), with_constant("Sub", 127),
         "node/y (Const): 128.0 became 127.0"),
        (with_constant("Sub", [1, 2]), with_constant("Sub", [2]),
         "node/y (Const): [1.0, 2.0] became [2.0]"),
        (with_constant("Sub", 1), with_constant("Sub", 1, first=True),
         "node (Sub): inputs hidden and node/y exchanged"),
        (with_constant("Sub", 1), plain, "node (Sub) missing before last"),
        (with_op("Relu", "act"), lambda graph, x: graph.op(
            "Select", "where", graph.op("Greater", "positive", x), x, graph.constant("zero", 0)),
         "act (Relu) became Select"),
        (plain, random_drop, "RandomUniform and Mul added between hidden and last"),
        (with_op("Relu", "a"), zeros,
         "a (Relu) became the constant 0.0"),
    ],
)  # fmt: skip
def test_a_change_is_told(reference: Build, candidate: Build, sentence: str) -> None:
    found = edits(between(reference), between(candidate, is_frozen=True))

    assert found == [sentence]


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (with_op("BiasAdd"), plain),
        (plain, with_op("Cast")),
        (with_op("Tanh"), with_op("Sigmoid")),
        (with_op("Pool", ksize=(1,)), with_op("Pool", ksize=(2,))),
        (with_constant("Sub", 1), with_constant("Sub", 2)),
        (with_constant("Sub", 1), with_constant("Sub", 1, first=True)),
        (plain, random_drop),
    ],
)
def test_what_lies_above_and_below_a_change_keeps_its_place(
    reference: Build, candidate: Build
) -> None:
    assert len(told(reference, candidate)) == 1


@pytest.mark.parametrize(
    ("before", "after", "dtype", "sentence"),
    [
        (0.1, 0.2, "float32", "0.1 became 0.2"),
        ([[1, 2]], [[1, 3]], "int32", "[[1, 2]] became [[1, 3]]"),
        (True, False, "bool", "True became False"),
        ([0] * 9, [0] * 8, "int32", "int32 [9] became [0, 0, 0, 0, 0, 0, 0, 0]"),
        ([0] * 9, [1] * 9, "int32", "its value became another"),
        (0, 0.5, "float64", "0.0 became 0.5"),
    ],
)
def test_small_values_are_shown(before: object, after: object, dtype: str, sentence: str) -> None:
    def with_value(value: object) -> NormalGraph:
        graph = Builder()
        constant = graph.constant("out/y", value, dtype=dtype)
        return graph.graph(graph.op("Sub", "out", graph.input("x"), constant))

    assert edits(with_value(before), with_value(after)) == [f"out/y (Const): {sentence}"]


def test_values_of_strings_and_of_dtypes_that_numpy_does_not_have_are_told_apart() -> None:
    def with_value(value: object, dtype: str) -> NormalGraph:
        graph = Builder()
        constant = graph.op("Const", "text", dtype=dtype, shape=(), value=value)
        return graph.graph(graph.op("Add", "out", graph.input("x"), constant))

    assert edits(with_value((b"a",), "string"), with_value((b"b",), "string")) == [
        "text (Const): b'a' became b'b', read by out"
    ]
    assert edits(with_value(b"1", "variant"), with_value(b"2", "variant")) == [
        "text (Const): its value became another, read by out"
    ]


def test_operands_of_a_product_may_be_exchanged() -> None:
    assert told(with_constant("Mul", 3), with_constant("Mul", 3, first=True)) == []


def test_exchanged_inputs_are_told_where_one_of_them_was_changed_too() -> None:
    def reduced(op: str, *, first: bool) -> NormalGraph:
        subtract = with_constant("Sub", 1, first=first)
        return between(lambda graph, x: subtract(graph, graph.op(op, "act", x)))

    assert sorted(edits(reduced("Tanh", first=False), reduced("Sigmoid", first=True))) == [
        "act (Tanh) became Sigmoid",
        "node (Sub): inputs act and node/y exchanged",
    ]


def test_of_what_was_added_no_op_is_named_that_the_reference_has() -> None:
    def noisy(*, is_scaled: bool) -> NormalGraph:
        def build(graph: Builder, x: Tensor) -> Tensor:
            noise = graph.op("RandomUniform", "noise", graph.op("Shape", "shape", x))
            scaled = graph.op("Pow", "scaled", x, noise) if is_scaled else x
            return graph.op("Sub", "noisy", scaled, noise)

        return between(build)

    assert edits(noisy(is_scaled=False), noisy(is_scaled=True)) == [
        "Pow added between hidden and noisy"
    ]


def test_operands_may_be_exchanged_in_one_product_above_another() -> None:
    def product(*, is_turned: bool) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")

        def times(name: str, one: Tensor, other: Tensor) -> Tensor:
            return graph.op("Mul", name, *((other, one) if is_turned else (one, other)))

        inner = times("inner", graph.op("Tanh", "tanh", x), graph.op("Exp", "exp", x))
        return graph.graph(times("outer", inner, graph.op("Log", "log", x)))

    turned = product(is_turned=True)
    renamed = reordered(turned, range(len(turned.nodes)), prefix="n")
    assert edits(product(is_turned=False), turned) == []
    assert edits(product(is_turned=False), renamed) == []


def test_operands_that_are_alike_go_by_their_names_where_either_order_is_right() -> None:
    def summed(op: str, *names: str, is_frozen: bool) -> NormalGraph:
        graph = Builder()
        weight = graph.weight if is_frozen else graph.variable
        x = graph.input("x")
        read = [graph.op("MatMul", f"{name}/MatMul", x, weight(name)) for name in names]
        return graph.graph(graph.op(op, "out", *read))

    def leaves(op: str) -> list[tuple[str, str]]:
        return named_leaves(summed(op, "a", "b", is_frozen=False),
                            summed(op, "b", "a", is_frozen=True))  # fmt: skip

    assert leaves("AddV2") == [("a", "a"), ("b", "b")]
    assert leaves("Sub") == [("a", "b"), ("b", "a")]


def test_small_constants_that_are_left_out_or_added_are_no_unmatched_weights() -> None:
    without = matched(between(with_constant("Sub", 1)), between(plain))

    assert not without.unmatched_reference
    assert not matched(between(plain), between(with_constant("Sub", 1))).unmatched_candidate


def test_of_many_nodes_the_first_are_named() -> None:
    def several(graph: Builder, x: Tensor) -> Tensor:
        for name in ("A", "B", "C", "D", "E"):
            x = graph.op(name, name, x)
        return x

    assert told(several, plain) == ["A, B, C and 2 more missing before last"]


def test_an_edit_names_both_nodes() -> None:
    graphs = between(with_op("Tanh", "act")), between(with_op("Sigmoid", "fault"))

    (edit,) = matched(*graphs).edits

    assert (edit.reference, edit.candidate) == ("act", "fault")


def tower(names: list[str], *, is_frozen: bool, first: str = "Exp") -> NormalGraph:
    graph = Builder()
    x = graph.op(first, "first", graph.input("x"))
    for name in names:
        weight = (graph.weight if is_frozen else graph.variable)(f"{name}/w")
        x = graph.op("Relu", f"{name}/Relu", graph.op("MatMul", f"{name}/MatMul", x, weight))
    return graph.graph(graph.op("Softmax", "out", x))


@pytest.mark.parametrize("missing", ["a", "c", "f"])
def test_of_layers_that_are_alike_names_say_which_is_missing(missing: str) -> None:
    names = list("abcdef")
    reference = tower(names, is_frozen=False)
    candidate = tower([name for name in names if name != missing], is_frozen=True)

    found = matched(reference, candidate)

    (edit,) = found.edits
    assert edit.text.startswith(
        f"{missing}/MatMul (MatMul) and {missing}/Relu (Relu) missing before "
    )
    assert [reference.nodes[index].name for index in found.unmatched_reference] == [f"{missing}/w"]
    assert not found.unmatched_candidate


def test_names_say_what_is_missing_where_something_above_was_changed_too() -> None:
    found = edits(tower(list("abcdef"), is_frozen=False),
                  tower(list("abef"), is_frozen=True, first="Log"))  # fmt: skip

    assert found == [
        "first (Exp) became Log",
        "c/MatMul (MatMul), c/Relu (Relu), d/MatMul (MatMul) and d/Relu (Relu) missing before "
        "e/MatMul",
    ]


def test_of_layers_that_are_alike_names_say_which_was_added() -> None:
    found = matched(tower(list("abde"), is_frozen=False), tower(list("abcde"), is_frozen=True))

    assert [edit.text for edit in found.edits] == [
        "MatMul and Relu added between b/Relu and d/MatMul"
    ]
    assert len(found.unmatched_candidate) == 1


def test_several_changes_are_told_from_the_inputs_on() -> None:
    def network(ops: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        for index, op in enumerate(ops):
            x = graph.op(op, f"{index}", graph.op("MatMul", f"m{index}", x, graph.variable("w")))
        return graph.graph(x)

    assert edits(network("AAAAA"), network("ABABA")) == ["1 (A) became B", "3 (A) became B"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"op": "Elu"}, "became Elu"), ({"alpha": 0.3}, ": alpha 0.2 became 0.3")],
)
def test_many_changes_of_one_kind_are_told_one_by_one(
    changed: dict[str, str | float], told: str
) -> None:
    def network(op: str = "LeakyRelu", **attributes: Hashable) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        for index in range(50):
            y = graph.op("MatMul", f"{index}/MatMul", x, graph.variable(f"{index}"))
            x = graph.op("AddV2", f"{index}/Add", x, graph.op(op, f"{index}/Act", y, **attributes))
        return graph.graph(x)

    found = edits(network(), network(**changed))  # type: ignore[arg-type]

    separator = " " if "op" in changed else ""
    assert found == [f"{n}/Act (LeakyRelu){separator}{told}" for n in range(50)]


def inputs_of(read: Callable[[Builder, Tensor, Tensor], Tensor]) -> NormalGraph:
    graph = Builder()
    x, y = graph.input("x", shape=(None, 4)), graph.input("y", 1, shape=(None, 4))
    return graph.graph(read(graph, x, y))


def test_an_input_that_became_a_constant_is_named() -> None:
    right = inputs_of(lambda graph, x, y: graph.op("Add", "out", x, y))
    small = inputs_of(lambda graph, x, _: graph.op("Add", "out", x, graph.constant("zero", 0)))
    large = inputs_of(lambda graph, x, _: graph.op("Add", "out", x, graph.weight("table")))

    assert edits(right, small) == ["input y became the constant 0.0"]
    assert edits(right, large) == ["input y became a constant"]


def test_another_tensor_that_is_read_is_named() -> None:
    def graph_of(other: str) -> NormalGraph:
        def build(graph: Builder, x: Tensor, y: Tensor) -> Tensor:
            one = graph.op("Tanh", "one", graph.op("Exp", "exp", x))
            two = graph.op("Sigmoid", "two", graph.op("Log", "log", y))
            return graph.op("Sub", "out", graph.op("Mul", "both", one, two),
                            {"one": one, "two": two}[other])  # fmt: skip

        return inputs_of(build)

    assert edits(graph_of("two"), graph_of("one")) == [
        "out reads one (Tanh) instead of two (Sigmoid)"
    ]


def test_another_output_of_the_same_node_is_named() -> None:
    def half(index: int) -> NormalGraph:
        graph = Builder()
        node, _ = graph.op("Unpack", "parts", graph.input("x"))
        return graph.graph(graph.op("Relu", "out", (node, index)))

    sentence = "out reads output 1 of parts (Unpack) instead of parts (Unpack)"
    assert edits(half(0), half(1)) == [sentence]
    assert edits(half(0), reordered(half(1), range(3), prefix="n")) == [sentence]


def test_inputs_of_the_signature_go_by_their_position() -> None:
    right = inputs_of(lambda graph, x, y: graph.op("Sub", "out", x, y))
    wrong = inputs_of(lambda graph, x, y: graph.op("Sub", "out", y, x))

    assert edits(right, wrong) == ["out (Sub): inputs x and y exchanged"]


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [
        ((None, 4), (1, 4), ["input x: shape [?, 4] became [1, 4]"]),
        ((2, 4), (3, 4), ["input x: shape [2, 4] became [3, 4]"]),
        (None, (None, 4), ["input x: shape [...] became [?, 4]"]),
        ((None, 4), (None, None, 4), ["input x: shape [?, 4] became [?, ?, 4]"]),
        ((None, 4), (None, 4), []),
        ((1, 4), (None, 4), []),
        ((1, 4), None, []),
    ],
)
def test_an_input_may_take_more_but_not_less(
    reference: tuple[int | None, ...] | None,
    candidate: tuple[int | None, ...] | None,
    expected: list[str],
) -> None:
    def taking(shape: tuple[int | None, ...] | None) -> NormalGraph:
        graph = Builder()
        return graph.graph(graph.op("Relu", "out", graph.input("x", shape=shape)))

    assert edits(taking(reference), taking(candidate)) == expected


def test_an_input_of_another_dtype_is_told() -> None:
    def taking(dtype: str) -> NormalGraph:
        graph = Builder()
        return graph.graph(graph.op("Relu", "out", graph.input("x", dtype=dtype)))

    assert edits(taking("float32"), taking("float64")) == ["input x: dtype float32 became float64"]


def outputs_of(*ops: str) -> NormalGraph:
    graph = Builder()
    x = graph.input("x")
    return graph.graph(*(graph.op(op, op.lower(), x) for op in ops))


def test_outputs_that_are_exchanged_are_told_as_such() -> None:
    assert edits(outputs_of("Tanh", "Relu", "Elu"), outputs_of("Elu", "Relu", "Tanh")) == [
        "outputs tanh and elu exchanged"
    ]


def test_outputs_are_called_as_in_the_signature() -> None:
    found = match(outputs_of("Tanh", "Relu"), outputs_of("Relu", "Tanh"),
                  outputs=("a", "b"), same_constant=lambda *_: True)  # fmt: skip

    assert [edit.text for edit in found.edits] == ["outputs a and b exchanged"]


def test_an_output_that_gives_another_one_is_told() -> None:
    def outputs(*, gives: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        tensors = {"Tanh": graph.op("Tanh", "tanh", x), "Relu": graph.op("Relu", "relu", x)}
        return graph.graph(tensors["Tanh"], tensors[gives])

    assert edits(outputs(gives="Relu"), outputs(gives="Tanh")) == [
        "output relu gives tanh (Tanh) instead of relu (Relu)"
    ]


def joined(*names: str) -> NormalGraph:
    graph = Builder()
    x = graph.input("x")
    parts = [graph.op(name.capitalize(), name, x) for name in names]
    return graph.graph(graph.op("ConcatV2", "joined", *parts, graph.constant("joined/axis", 1)))


@pytest.mark.parametrize(
    ("reference", "candidate", "sentence"),
    [
        (("a", "b", "c"), ("a", "c"), "joined (ConcatV2) reads b no more"),
        (("a", "c"), ("a", "b", "c"), "joined (ConcatV2) reads b (B) too"),
        (("a", "b", "c"), ("b", "a", "c"), "joined (ConcatV2): inputs a and b exchanged"),
    ],
)
def test_parts_that_are_joined_are_told(
    reference: tuple[str, ...], candidate: tuple[str, ...], sentence: str
) -> None:
    assert edits(joined(*reference), joined(*candidate)) == [sentence]


def guarded(*names: str, op: str = "Assert") -> NormalGraph:
    graph = Builder()
    x = graph.input("x")
    guards = [graph.op(op, name, graph.op(name.capitalize(), f"{name}/of", x)) for name in names]
    return graph.graph(graph.op("Relu", "out", x, guards=guards))


def test_guards_are_told_where_they_are_missing_or_new() -> None:
    assert edits(guarded("a", "b"), guarded("b", "a")) == []
    assert edits(guarded("a", "b"), guarded("b")) == ["a (Assert) missing before out"]
    assert edits(guarded("b"), guarded("a", "b")) == ["a (Assert) added before out"]
    assert edits(guarded("a"), guarded("b")) == ["a/of (A) became B"]


def waiting(*names: str, last: str = "Relu") -> NormalGraph:
    """An output that waits for guards, as `graph.normal` makes one: of no guards there is none."""
    graph = Builder()
    x = graph.input("x")
    guards = [
        graph.op("Assert", name, graph.op(name.capitalize(), f"{name}/of", x)) for name in names
    ]
    last_op = graph.op(last, "last", x)
    return graph.graph(graph.op("Identity", "out", last_op, guards=guards) if guards else last_op)


def test_guards_are_told_where_an_output_waits_for_none_any_more() -> None:
    assert edits(waiting("a", "b"), waiting()) == [
        "a (Assert) missing before output out",
        "b (Assert) missing before output out",
    ]
    assert edits(waiting(), waiting("a")) == ["a (Assert) added before output last"]


def test_what_lies_behind_guards_is_compared_too() -> None:
    assert edits(waiting("a"), waiting(last="Elu")) == [
        "a (Assert) missing before output out",
        "last (Relu) became Elu",
    ]


def test_nodes_in_a_loop_are_told() -> None:
    def loop(build: Build) -> NormalGraph:
        graph = Builder()
        merge = graph.op("Merge", "merge", graph.op("Enter", "enter", graph.input("x")))
        graph.close_loop(merge, graph.op("Tanh", "step", build(graph, merge)))
        return graph.graph(graph.op("Exit", "exit", merge))

    assert edits(loop(with_op("Relu")), loop(plain)) == ["Relu missing before step"]
    assert edits(loop(plain), loop(with_op("Relu"))) == ["Relu added between merge and step"]
    assert edits(loop(with_op("Relu")), loop(with_op("Elu"))) == ["Relu became Elu"]


def test_a_constant_that_is_computed_from_the_input_is_told() -> None:
    right = inputs_of(lambda graph, x, _: graph.op("Sub", "out", x, graph.constant("mean", 3)))
    wrong = inputs_of(lambda graph, x, y: graph.op("Sub", "out", x, graph.op("Mean", "m", y)))

    assert edits(right, wrong) == ["mean (Const) became m (Mean)"]


def test_noise_on_a_weight_is_told_as_added() -> None:
    def weighted(*, has_noise: bool) -> NormalGraph:
        graph = Builder()
        weight = graph.weight("w") if has_noise else graph.variable("w")
        if has_noise:
            noise = graph.op("RandomStandardNormal", "noise", graph.constant("shape", 2))
            weight = graph.op("AddV2", "noisy", weight, noise)
        return graph.graph(graph.op("MatMul", "out", graph.input("x"), weight))

    graphs = weighted(has_noise=False), weighted(has_noise=True)
    assert edits(*graphs) == ["RandomStandardNormal and AddV2 added between w and out"]
    assert named_leaves(*graphs) == [("w", "w")]


def test_two_models_that_have_nothing_in_common_are_told_in_bounded_time() -> None:
    def network(*ops: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        for index in range(1000):
            for op in ops:
                x = graph.op(op, f"{op}{index}", x)
        return graph.graph(x)

    assert edits(network("A"), network("B")) == ["A999 (A) became B999 (B)"]
    # After so many differences no search is made for what is missing.
    texts = edits(network("A", "B"), network("A"))
    assert 100 < sum("missing" in text for text in texts) < 1000
    assert any("became" in text for text in texts)


def test_a_place_that_is_read_twice_is_repaired_once() -> None:
    def doubled(op: str) -> NormalGraph:
        graph = Builder()
        x = graph.input("x")
        for index in range(60):
            x = graph.op(op, f"{index}", x, x)
        return graph.graph(x)

    # There are 2 ** 60 ways up.
    assert edits(doubled("Sub"), doubled("Pow")) == [f"{n} (Sub) became Pow" for n in range(60)]


def test_a_deep_graph_is_matched() -> None:
    layers = [f"{index}" for index in range(3000)]
    without = [name for name in layers if name != "1234"]

    found = matched(tower(layers, is_frozen=False), tower(without, is_frozen=True))

    assert [edit.text for edit in found.edits] == [
        "1234/MatMul (MatMul) and 1234/Relu (Relu) missing before 1235/MatMul"
    ]
