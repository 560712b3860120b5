"""Export methods by name, those of other distributions included."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness.errors import RequestError
from harness.exporters import registry
from harness.exporters.method import Export, Method
from harness.exporters.registry import GROUP, load_method, method_names
from harness.models.model import Model


def export(model: Model, folder: Path) -> Export:
    raise AssertionError(f"{model} was to be exported to {folder}")


METHOD = Method(name="theirs", summary="of another distribution", export=export)
NO_METHOD = "theirs"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of a distribution whose module is this one."""
    monkeypatch.setitem(sys.modules, "their_package", sys.modules[__name__])
    points = {
        "theirs": "their_package:METHOD",
        "another": "their_package:METHOD",
        "no_method": "their_package:NO_METHOD",
        "gone": "their_missing_package:METHOD",
        "renamed": "their_package:GONE",
        "direct": "their_package:METHOD",
    }
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda *, group: [EntryPoint(name, value, group) for name, value in points.items()],
    )


def test_every_method_of_this_package_can_be_loaded_by_its_name() -> None:
    for name in method_names():
        method = load_method(name)
        assert method.name == name
        assert method.summary
        assert callable(method.export)


def test_listing_names_imports_no_tensorflow() -> None:
    code = (
        "import sys; from harness.exporters.registry import method_names; method_names(); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("registered")
def test_methods_of_others_are_listed_after_these_by_name() -> None:
    names = method_names()
    assert names[-5:] == ("another", "gone", "no_method", "renamed", "theirs")
    assert names[-6] == "direct"
    assert len(set(names)) == len(names)


@pytest.mark.usefixtures("registered")
def test_a_method_of_another_distribution_is_loaded() -> None:
    assert load_method("theirs") is METHOD


@pytest.mark.usefixtures("registered")
def test_a_name_of_this_package_cannot_be_taken_over() -> None:
    assert load_method("direct").name == "direct"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["gone", "renamed"])
def test_a_method_that_cannot_be_loaded_is_named_with_its_module(name: str) -> None:
    with pytest.raises(RequestError, match=rf"--export-methods {name}: their_\w+:\w+ cannot be"):
        load_method(name)


@pytest.mark.usefixtures("registered")
def test_something_that_is_no_method_is_named_with_its_type() -> None:
    with pytest.raises(RequestError, match=r"their_package:NO_METHOD is a str, not .*Method"):
        load_method("no_method")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"freeze_grap: no such method; nearest: freeze_graph,"):
        load_method("freeze_grap")


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(RequestError, match=r"there are freeze_graph, .*direct"):
        load_method("zzzz")


def test_the_entry_point_group_is_the_documented_one() -> None:
    assert GROUP == "freezeproof.exporters"
