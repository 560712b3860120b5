"""The public names, and what importing them does not import."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import harness

NEEDS_TENSORFLOW = (
    "harness.graph",
    "harness.models",
    "harness.inspection",
    "harness.original",
    "harness.runtime",
    "harness.weights",
    "harness.correspondence",
    "harness.divergence",
    "harness.evaluation.evaluating",
    "harness.evaluation.opening",
    "harness.exporting.building",
    "harness.exporting.checkpoint_writing",
    "harness.exporting.exporting",
    "harness.exporting.input_types",
    "harness.exporting.original_names",
    "harness.exporting.reading_back",
    "harness.diagnosis",
    "harness.candidates",
    "harness.influence",
    "harness.perturbing",
    "harness.comparison",
    "harness.proof",
    "harness.runners",
    "harness.scrutiny",
)
EXPORTERS = "harness.exporters"
WITHOUT_IT_THERE = ("harness.exporters.registry", "harness.inspection.facts")

IMPORTS_NO_TENSORFLOW = """
import runpy, sys
sys.argv = {arguments!r}
try:
    {statement}
except SystemExit as end:
    assert not end.code, end.code
found = [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras")]
assert not found, found
"""

WITHOUT_TENSORFLOW = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ImportError(f"{{name}} is not installed")

sys.meta_path.insert(0, Refuse())
for name in {names!r}:
    importlib.import_module(name)
"""


def run(program: str, folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_all_is_the_public_surface() -> None:
    public = {
        name
        for name, value in vars(harness).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public == set(harness.__all__)
    assert harness.__all__ == sorted(harness.__all__)


@pytest.mark.parametrize("name", harness.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    assert getattr(harness, name).__doc__


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        ("import harness", []),
        ("import harness.plugin", []),
        ('runpy.run_module("pytest", run_name="__main__")', ["pytest", "--help"]),
        ('runpy.run_module("pytest", run_name="__main__")', ["pytest", "--version"]),
        ('runpy.run_module("harness.cli", run_name="__main__")', ["freezeproof", "methods"]),
        ("import harness.exporting, harness.evaluation", []),
    ],
    ids=[
        "import harness",
        "import the plugin",
        "pytest --help",
        "pytest --version",
        "methods",
        "import the exporter",
    ],
)
def test_tensorflow_is_not_imported_before_it_is_needed(
    statement: str, arguments: list[str], tmp_path: Path
) -> None:
    run(IMPORTS_NO_TENSORFLOW.format(statement=statement, arguments=arguments), tmp_path)


def test_all_but_the_layers_that_use_tensorflow_can_be_imported_without_it(tmp_path: Path) -> None:
    names = [
        module.name
        for module in pkgutil.walk_packages(harness.__path__, "harness.")
        if not module.name.startswith((*NEEDS_TENSORFLOW, EXPORTERS))
    ]
    assert {"harness.criteria", "harness.suite.test_model", "harness.inputs.spec"} <= set(names)
    run(WITHOUT_TENSORFLOW.format(names=[*names, *WITHOUT_IT_THERE]), tmp_path)
