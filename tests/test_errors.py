"""Errors by whose they are to mend, and the nearest names."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.errors import (
    BrokenModel,
    FreezeproofError,
    Rejected,
    RequestError,
    TimedOut,
    Unsupported,
    failing_nodes,
    file_error,
    nearest,
)


@pytest.mark.parametrize("kind", [BrokenModel, RequestError, Unsupported, Rejected, TimedOut])
def test_every_error_can_be_caught_by_one_name(kind: type[Exception]) -> None:
    assert issubclass(kind, FreezeproofError)


def test_a_rejection_keeps_its_kind_apart_from_its_text() -> None:
    rejection = Rejected("InvalidArgumentError", "shapes differ")
    assert (rejection.kind, rejection.message) == ("InvalidArgumentError", "shapes differ")
    assert str(rejection) == "InvalidArgumentError: shapes differ"


def test_an_example_that_took_too_long_tells_the_limit() -> None:
    assert str(TimedOut(2.5)) == "it ran longer than 2.5 s"
    assert TimedOut(2.5).again().seconds == 2.5


def test_a_rejection_can_be_raised_again() -> None:
    rejection = Rejected("InvalidArgumentError", "shapes differ", nodes=["add", "call"])
    again = rejection.again()
    assert again is not rejection
    assert (str(again), again.kind, again.nodes) == (
        str(rejection),
        rejection.kind,
        ("add", "call"),
    )


@pytest.mark.parametrize(
    ("message", "nodes"),
    [
        ("indices[1] = 57 is not in [0, 50)\n\t [[{{node emb/lookup}}]]", ("emb/lookup",)),
        (
            "{{function_node __inference_f_13}} {{function_node __inference_f_13}} indices[1] = 57 "
            "is not in [0, 50)\n\t [[{{node emb/lookup}}]]\n\t [[PartitionedCall]]",
            ("emb/lookup", "PartitionedCall"),
        ),
        (
            "assertion failed: [x > 0]\n\t [[{{function_node cond_true_23}}{{node Assert}}]]",
            ("Assert",),
        ),
        ("Incompatible shapes: [[3,5]] vs. [4]", ()),
        ("", ()),
    ],
    ids=["node", "function", "branch", "shape", "nothing"],
)
def test_the_nodes_that_an_error_names_are_read(message: str, nodes: tuple[str, ...]) -> None:
    assert failing_nodes(ValueError(message)) == nodes


def test_an_error_of_the_system_names_its_file() -> None:
    assert file_error(OSError(13, "Permission denied", "model.pb")) == "model.pb: Permission denied"


@pytest.mark.parametrize("error", [OSError(22, "Invalid argument"), OSError("Invalid argument")])
def test_an_error_of_the_system_may_know_no_file(error: OSError) -> None:
    assert file_error(error) == "Invalid argument"


def test_a_misspelt_name_is_near() -> None:
    assert nearest("sofmax", ["softmax", "bias"]) == "; nearest: softmax"


def test_case_does_not_make_a_name_far() -> None:
    assert nearest("SOFTMAX", ["Softmax", "bias"]) == "; nearest: Softmax"


def test_a_name_without_its_scope_is_near() -> None:
    assert nearest("Softmax", ["some/long/scope/Softmax", "a"]).endswith("some/long/scope/Softmax")


def test_no_more_names_are_told_than_asked_for() -> None:
    assert nearest("x1", ["x2", "x3", "x4", "x5"], limit=2).count("x") == 2


def test_a_name_is_told_once() -> None:
    assert nearest("out", ["output", "output"]) == "; nearest: output"


@pytest.mark.parametrize("choices", [[], ["zzz"]])
def test_nothing_is_told_where_nothing_is_near(choices: list[str]) -> None:
    assert nearest("softmax", choices) == ""


@pytest.mark.parametrize("typed", ["layer_0777/kernl", "Layer_0777/kernel_", "ayer_0777/kernle"])
def test_a_misspelt_name_is_near_among_very_many(typed: str) -> None:
    choices = [f"layer_{n:04}/{what}" for n in range(1000) for what in ("kernel", "bias", "Relu")]
    assert nearest(typed, choices, limit=1) == "; nearest: layer_0777/kernel"


def test_a_short_name_is_near_among_very_many() -> None:
    choices = [f"layer_{n:04}/{what}" for n in range(1000) for what in ("bias", "Relu")]
    assert nearest("yt", [*choices, "y"], limit=1) == "; nearest: y"


def test_a_name_without_its_scope_is_near_among_very_many() -> None:
    choices = [f"a_very_long_scope/layer_{n:04}/{w}" for n in range(1000) for w in ("W", "b")]
    assert nearest("Out", [*choices, "a/very/long/scope/for/a/name/Out"]).endswith("name/Out")


@given(name=st.text(), choices=st.lists(st.text()))
def test_what_is_told_was_a_choice(name: str, choices: list[str]) -> None:
    told = nearest(name, choices, limit=1)
    assert not told or told.removeprefix("; nearest: ") in choices
