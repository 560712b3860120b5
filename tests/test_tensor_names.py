"""Names of nodes and tensors, as a GraphDef writes them and as a session does."""

from __future__ import annotations

import pytest

from harness.tensor_names import canonical, is_control, node_name, output_index, session_name


@pytest.mark.parametrize(
    ("reference", "node", "index", "control"),
    [
        ("a/b", "a/b", 0, False),
        ("a/b:0", "a/b", 0, False),
        ("a/b:12", "a/b", 12, False),
        ("^a/b", "a/b", 0, True),
    ],
)
def test_a_reference_tells_node_output_and_control(
    reference: str, node: str, index: int, control: bool
) -> None:
    assert node_name(reference) == node
    assert output_index(reference) == index
    assert is_control(reference) is control


def test_a_reference_in_a_function_body_tells_its_node() -> None:
    assert node_name("split:output:1") == "split"


@pytest.mark.parametrize(("name", "short"), [("a:0", "a"), ("a:1", "a:1"), ("a:10", "a:10")])
def test_the_first_output_is_named_after_its_node(name: str, short: str) -> None:
    assert canonical(name) == short
    assert canonical(short) == short
    assert session_name(short) == name
    assert session_name(name) == name
