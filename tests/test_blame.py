"""Which input is to blame for rejections, and what an input spec would say. Models are functions.

With real graphs, it is in test_not_compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from harness import blame as blame_module
from harness.blame import Culprit, blame, find_culprits
from harness.criteria import Array
from harness.domain import Choices, Domain, NumberTexts, Pictures, Range, Sounds
from harness.errors import Rejected, TimedOut
from harness.inputs.spec import parse_input_spec
from harness.memo import Feeds, Run
from harness.signature import Signature, TensorSpec
from harness.tally import Rejections

Check = Callable[..., None]
"""Raises what a graph raises of feeds, by the names of inputs."""

KINDS = {"i": "int32", "f": "float32", "b": "bool", "O": "string", "u": "uint8"}


def refuse(message: str, *nodes: str) -> None:
    raise Rejected("InvalidArgumentError", message, nodes=nodes)


def running(check: Check) -> Run:
    def run(feeds: Feeds) -> Mapping[str, Array]:
        check(**feeds)
        return {"y": np.zeros(1)}

    return run


def seen(run: Run, examples: Sequence[Feeds]) -> Rejections:
    """Run the examples as a stage does."""
    rejections = Rejections()
    for feeds in examples:
        rejection = outcome(run, feeds)
        if rejection is None:
            rejections.accept(feeds)
        else:
            rejections.reject(feeds, rejection)
    return rejections


def outcome(run: Run, feeds: Feeds) -> Rejected | None:
    try:
        run(feeds)
    except Rejected as rejection:
        return rejection.again()
    return None


def signature_of(feeds: Feeds) -> Signature:
    """The signature of inputs all of whose sizes are unknown."""
    return Signature(
        inputs=tuple(
            TensorSpec(name=name, dtype=KINDS[value.dtype.kind], shape=(None,) * value.ndim)
            for name, value in feeds.items()
        ),
        outputs=(),
    )


def nothing_known(_: Sequence[str]) -> Sequence[str]:
    return ()


def culprits(
    check: Check,
    examples: Sequence[Feeds],
    *,
    upstream: Callable[[Sequence[str]], Sequence[str]] = nothing_known,
) -> list[Culprit]:
    run = running(check)
    return find_culprits(
        seen(run, examples), run=run, signature=signature_of(examples[0]), upstream=upstream
    )


def culprit(check: Check, examples: Sequence[Feeds], **rest: Any) -> tuple[str, Domain | None]:
    """The name and domain of the only input to blame."""
    (found,) = culprits(check, examples, **rest)
    return found.name, found.domain


def ints(*values: int) -> Array:
    return np.array(values, np.int32)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def strings(*values: bytes) -> Array:
    return np.array(values, object)


# ---- what the error says


def lookup(ids: Array, size: int = 50, node: str = "lookup") -> None:
    """Look up rows as GatherV2 does."""
    for index, value in np.ndenumerate(ids):
        if not 0 <= value < size:
            refuse(f"indices[{index[0]}] = {value} is not in [0, {size})", node)


def test_the_range_that_the_error_names_is_stated() -> None:
    assert culprit(lookup, [{"ids": ints(1, 57)}]) == ("ids", Domain(values=Range(low=0, high=49)))


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (
            "Expected concatenating dimensions in the range [-2, 2), but got 7",
            Range(low=-2, high=1),
        ),
        ("Expected begin[0] in [0, 5], but got 7", Range(low=0, high=5)),
        ("a label value of 7 which is outside the valid range of [0, 4).", Range(low=0, high=3)),
        ("segment_ids[0] = 7 is out of range [0, 5)", Range(low=0, high=4)),
    ],
)
def test_ranges_are_read_from_what_tensorflow_says(message: str, values: Range) -> None:
    def check(x: Array) -> None:
        if not ((values.low <= x) & (x <= values.high)).all():
            refuse(message)

    assert culprit(check, [{"x": ints(7)}]) == ("x", Domain(values=values))


def test_a_range_that_the_error_names_may_be_wider_than_any_that_is_found_by_trying() -> None:
    found = culprit(lambda ids: lookup(ids, 50_000), [{"ids": ints(1, 60_000)}])
    assert found == ("ids", Domain(values=Range(low=0, high=49_999)))


def test_a_range_that_is_not_of_the_input_itself_is_not_stated() -> None:
    """One is taken away from it before it is looked up."""

    def check(ids: Array) -> None:
        lookup(ids - 1)

    assert culprit(check, [{"ids": ints(0, 4)}]) == ("ids", Domain(values=Range(low=1, high=50)))


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("Unknown image file format. One of JPEG, PNG, GIF, BMP required.", Pictures()),
        ("Expected image (JPEG, PNG, or GIF), got unknown format", Pictures()),
        ("Data too short when trying to read string", Sounds()),
        ("Header mismatch: Expected RIFF but found abcd", Sounds()),
        ("StringToNumberOp could not correctly convert string: foo", NumberTexts()),
    ],
)
def test_what_a_string_should_hold_is_read_from_the_error(message: str, values: Any) -> None:
    def check(**_: Array) -> None:
        refuse(message, "decode")

    found = culprit(check, [{"x": strings(b"foo"), "other": floats(1)}], upstream=lambda _: ["x"])
    assert found == ("x", Domain(values=values))


def test_an_error_about_pictures_asks_nothing_of_numbers() -> None:
    def check(**_: Array) -> None:
        refuse("the image has a wrong size")

    assert culprit(check, [{"x": floats(1)}]) == ("x", None)


# ---- what is tried


def test_a_number_that_helps_is_widened_to_a_range() -> None:
    def check(axis: Array) -> None:
        if not -2 <= int(axis) <= 1:
            refuse(f"Invalid reduction dimension ({axis} for input with 2 dimension(s)")

    found = culprit(check, [{"axis": np.asarray(np.int32(153))}])
    assert found == ("axis", Domain(values=Range(low=-2, high=1)))


def test_a_number_that_helps_alone_is_a_constant() -> None:
    def check(x: Array) -> None:
        if (x != 1).any():
            refuse("it must be one")

    assert culprit(check, [{"x": ints(5, 6)}]) == ("x", Domain(values=Choices(values=(1,))))


def test_a_range_whose_ends_help_must_help_between_them() -> None:
    def check(x: Array) -> None:
        if len(set(x.tolist())) > 1:
            refuse("all must be in [0, 5)")

    found = culprit(check, [{"x": ints(1, 2, 3, 4)}])
    assert found == ("x", Domain(values=Choices(values=(0,))))


def test_a_number_of_an_accepted_example_helps() -> None:
    def check(x: Array) -> None:
        if ((x < 640) | (x > 641)).any():
            refuse("no such size")

    found = culprit(check, [{"x": ints(640, 640)}, {"x": ints(5, 6, 7)}])
    assert found == ("x", Domain(values=Range(low=640, high=641)))


def test_no_large_number_is_tried_for_it_may_be_a_size() -> None:
    tried: list[int] = []

    def check(x: Array) -> None:
        tried.append(int(x.max()))
        if (x < 0).any():
            refuse("Dimension -3 must be >= 0")

    assert culprit(check, [{"x": ints(-3)}]) == ("x", Domain(values=Range(low=0, high=1000)))
    assert max(tried) == 1000


def test_no_number_is_tried_that_the_dtype_does_not_have() -> None:
    def check(x: Array) -> None:
        if (x == 7).all():
            refuse("no seven")

    found = culprit(check, [{"x": np.array([7], np.uint8)}])
    assert found == ("x", Domain(values=Range(low=0, high=255)))


@pytest.mark.parametrize("accepted", [False, True])
def test_a_flag_that_helps_is_a_constant(accepted: bool) -> None:
    def check(phase: Array, **_: Array) -> None:
        if bool(phase) is not accepted:
            refuse("batch statistics of one")

    found = culprit(check, [{"x": floats(1), "phase": np.asarray(not accepted)}])
    assert found == ("phase", Domain(values=Choices(values=(accepted,))))


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (-1, 1, Range(low=-1.0, high=1.0)),
        (0, 1, Range(low=0.0, high=1.0)),
        (1e-6, 1, Range(low=0.001, high=1.0)),
        (1, 1, Choices(values=(1.0,))),
        (40, 60, Range(low=45.0, high=55.0)),
    ],
)
def test_numbers_are_tried_in_ranges_that_models_like(low: float, high: float, values: Any) -> None:
    def check(x: Array) -> None:
        if not ((low <= x) & (x <= high)).all():
            refuse("no such rate")

    examples = [{"x": floats(45, 55)}, {"x": floats(-70, 80)}]
    assert culprit(check, examples) == ("x", Domain(values=values))


def test_a_string_that_helps_is_a_constant() -> None:
    def check(x: Array) -> None:
        if not all(text.isdigit() for text in x):
            refuse("no number")

    assert culprit(check, [{"x": strings(b"a", b"1")}]) == (
        "x",
        Domain(values=Choices(values=(b"0",))),
    )


def test_a_size_that_helps_is_stated_and_the_others_are_left_open() -> None:
    def check(x: Array) -> None:
        if x.shape[1] != 4:
            refuse(f"Matrix size-incompatible: In[0]: {list(x.shape)}, In[1]: [4,2]")

    found = culprit(check, [{"x": np.ones((n, n + 4), np.float32)} for n in (1, 2)])
    assert found == ("x", Domain(shape=(None, 4)))


def test_no_size_is_proposed_that_leaves_nothing_to_feed() -> None:
    def check(x: Array) -> None:
        if x.size:
            refuse("no good")

    name, domain = culprit(check, [{"x": ints()}, {"x": ints(1, 2)}, {"x": ints(3)}])
    assert name == "x"
    assert domain is None or domain.shape is None or 0 not in domain.shape


def test_a_size_that_the_accepted_examples_share_is_stated() -> None:
    def check(x: Array) -> None:
        if x.shape[1] != 77:
            refuse("Incompatible shapes")

    shapes = [(1, 77), (2, 77), (3, 5), (4, 6)]
    found = culprit(check, [{"x": np.ones(shape, np.float32)} for shape in shapes])
    assert found == ("x", Domain(shape=(None, 77)))


def test_a_known_size_is_not_tried() -> None:
    shapes: set[tuple[int, ...]] = set()

    def check(x: Array) -> None:
        shapes.add(x.shape)
        refuse("whatever it is")

    run = running(check)
    spec = TensorSpec(name="x", dtype="float32", shape=(None, 4))
    find_culprits(
        seen(run, [{"x": np.ones((2, 4), np.float32)}]),
        run=run,
        signature=Signature(inputs=(spec,), outputs=()),
        upstream=nothing_known,
    )
    assert len(shapes) > 5
    assert {shape[1] for shape in shapes} == {4}


def test_what_helps_one_example_must_help_the_others() -> None:
    def check(x: Array) -> None:
        if x.max() > 9 + len(x):
            refuse("beyond the end")

    found = culprit(check, [{"x": ints(0, 0, 99)}, {"x": ints(99)}])
    assert found[1] is not None
    assert found[1].values == Range(low=-1000, high=10)


# ---- which input


def test_of_two_inputs_that_one_is_to_blame_whose_values_help() -> None:
    def check(ids: Array, **_: Array) -> None:
        lookup(ids)

    found = culprit(check, [{"x": ints(0), "ids": ints(57)}, {"x": ints(99), "ids": ints(-1)}])
    assert found == ("ids", Domain(values=Range(low=0, high=49)))


def test_an_input_that_only_meets_another_error_is_not_to_blame_where_one_helps() -> None:
    def check(x: Array, ids: Array) -> None:
        if (x != 7).any():
            refuse("no seven", "before")
        lookup(ids)

    assert culprit(check, [{"x": ints(7), "ids": ints(57)}])[0] == "ids"


def test_the_graph_says_where_to_look_first() -> None:
    """Either input would help: the error arose below the second."""

    def check(flag: Array, ids: Array) -> None:
        if flag:
            lookup(ids)

    examples = [{"flag": np.asarray(True), "ids": ints(57)}]
    assert culprit(check, examples)[0] == "flag"
    asked: list[Sequence[str]] = []

    def upstream(nodes: Sequence[str]) -> Sequence[str]:
        asked.append(nodes)
        return ["ids"]

    assert culprit(check, examples, upstream=upstream)[0] == "ids"
    assert asked == [("lookup",)]


def test_an_input_that_no_data_goes_from_is_tried_too() -> None:
    def check(phase: Array, **_: Array) -> None:
        if phase:
            refuse("no batch", "moments")

    examples = [{"phase": np.asarray(True), "x": floats(1)}]
    found = culprit(check, examples, upstream=lambda _: ["x"])
    assert found == ("phase", Domain(values=Choices(values=(False,))))


def test_two_inputs_that_are_wrong_are_both_named_the_more_common_first() -> None:
    def check(words: Array, tags: Array) -> None:
        lookup(words, 50, "words/lookup")
        lookup(tags, 9, "tags/lookup")

    examples = [{"words": ints(57), "tags": ints(99)}] + [
        {"words": ints(1), "tags": ints(10 + n)} for n in range(3)
    ]
    found = culprits(check, examples, upstream=lambda nodes: [nodes[0].partition("/")[0]])
    assert [(c.name, c.count) for c in found] == [("tags", 3), ("words", 1)]
    assert [c.domain for c in found] == [
        Domain(values=Range(low=0, high=8)),
        Domain(values=Range(low=0, high=49)),
    ]


def test_rejections_of_one_input_at_several_nodes_are_counted_together() -> None:
    def check(ids: Array) -> None:
        lookup(ids, 50, "first" if len(ids) > 1 else "second")

    (found,) = culprits(check, [{"ids": ints(57)}, {"ids": ints(57, 58)}, {"ids": ints(-1)}])
    assert (found.name, found.count) == ("ids", 3)


def test_where_nothing_helps_the_only_input_is_to_blame_and_of_several_none() -> None:
    def check(**_: Array) -> None:
        refuse("never", "somewhere")

    assert culprit(check, [{"x": floats(1)}]) == ("x", None)
    examples = [{"x": floats(1), "y": floats(1)}]
    assert culprits(check, examples) == []
    assert culprit(check, examples, upstream=lambda _: ["y"]) == ("y", None)


# ---- how long


def test_no_more_is_run_than_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Feeds] = []

    def check(x: Array) -> None:
        runs.append({"x": x})
        refuse("never")

    monkeypatch.setattr(blame_module, "MOST_RUNS", 5)
    culprits(check, [{"x": np.ones((2, 3, 4), np.float32)}])
    assert len(runs) <= 1 + 5


def test_no_longer_is_run_than_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blame_module, "MOST_SECONDS", 0.1)

    def check(**_: Array) -> None:
        time.sleep(0.05)
        refuse("never")

    start = time.perf_counter()
    culprits(check, [{"x": np.ones((2, 3, 4), np.float32)}])
    assert time.perf_counter() - start < 0.5


def test_an_example_that_takes_too_long_helps_nobody() -> None:
    calls: list[Array] = []

    def check(x: Array) -> None:
        calls.append(x)
        if len(calls) > 1:
            raise TimedOut(3)
        refuse("never")

    assert culprit(check, [{"x": ints(5)}]) == ("x", None)


def test_the_same_feeds_are_tried_once() -> None:
    tried: list[bytes] = []

    def check(x: Array) -> None:
        tried.append(repr((x.tolist(), x.shape)).encode())
        refuse("never", "somewhere")

    culprits(check, [{"x": ints(5)}])
    assert len(tried[1:]) == len(set(tried[1:]))


# ---- what is said


def said(check: Check, examples: Sequence[Feeds]) -> str:
    run = running(check)
    return blame(
        seen(run, examples), run=run, signature=signature_of(examples[0]), upstream=nothing_known
    )


def test_the_error_and_the_lines_of_an_input_spec_are_told() -> None:
    assert said(lookup, [{"ids": ints(57)}, {"ids": ints(-1)}]) == (
        "2 by ids: indices[0] = 57 is not in [0, 50); state it with --input-spec FILE:\n"
        "  [inputs.ids]\n"
        "  range = [0, 49]"
    )


def test_the_lines_are_those_of_an_input_spec() -> None:
    text = said(lookup, [{"ids": ints(57)}])
    spec = parse_input_spec(text.partition("FILE:\n")[2])
    assert spec.domains == {"ids": Domain(values=Range(low=0, high=49))}


def test_an_input_of_which_nothing_is_known_is_told_without_lines() -> None:
    def check(**_: Array) -> None:
        refuse("never")

    assert said(check, [{"x": floats(1)}]) == (
        "1 by x: never; state what x accepts with --input-spec FILE"
    )


def test_where_nobody_is_to_blame_nothing_is_said() -> None:
    def check(**_: Array) -> None:
        refuse("never")

    assert said(check, [{"x": floats(1), "y": floats(1)}]) == ""


def test_inputs_above_the_error_of_which_none_helps_alone_are_told_together() -> None:
    def check(user: Array, item: Array, **_: Array) -> None:
        if not (user == 143).all() or not (item == 1).all():
            refuse("indices[0] = -940 is not in [0, 35)", "lookup")

    run = running(check)
    examples = [{"user": ints(9), "item": ints(5), "x": ints(1)}]
    said = blame(
        seen(run, examples),
        run=run,
        signature=signature_of(examples[0]),
        upstream=lambda nodes: ("user", "item") if "lookup" in nodes else (),
    )
    assert said == (
        "1 by user and item: indices[0] = -940 is not in [0, 35); state what user and item accept "
        "with --input-spec FILE"
    )
