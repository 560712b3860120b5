"""The command `freezeproof methods`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from harness.cli import main
from harness.exporters import registry
from harness.exporters.method import Method
from harness.exporters.registry import load_method, method_names, method_summaries

METHOD = Method(name="theirs", summary="of another distribution", export=lambda *_: None)  # type: ignore[arg-type,return-value]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods of other distributions, one of which is gone."""
    monkeypatch.setitem(sys.modules, "their_package", sys.modules[__name__])
    points = [
        EntryPoint("theirs", "their_package:METHOD", registry.GROUP),
        EntryPoint("gone", "their_missing_package:METHOD", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)


def test_methods_are_listed_with_what_they_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["methods"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert listed == [[name, load_method(name).summary] for name in method_names()]


def test_on_a_narrow_terminal_what_they_do_stands_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main(["methods"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == list(method_names())
    assert all(line.startswith("    ") and len(line) <= 80 for line in lines[1::2])


def test_methods_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    methods = [{"name": name, "summary": load_method(name).summary} for name in method_names()]
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "methods": methods}


def test_listing_the_methods_of_this_package_imports_no_tensorflow() -> None:
    program = (
        "import sys; from harness.cli import main; main(['methods']); "
        "print('tensorflow' in sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.stderr == "False\n"


@pytest.mark.usefixtures("others")
def test_methods_of_others_are_told_as_far_as_they_can_be_loaded() -> None:
    summaries = method_summaries()
    assert list(summaries) == list(method_names())
    assert summaries["theirs"] == "of another distribution"
    assert summaries["gone"].startswith("their_missing_package:METHOD cannot be loaded: ")
