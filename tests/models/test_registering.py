"""Modules and libraries that register ops; each that cannot be loaded is a usage error of a line.

That an op is registered is shown in `tests/plugin/test_op_library.py`, in processes of its own: no
process forgets an op.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.models.registering import register_ops


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("my_ops", "my_package", "my_package.ops"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def module(name: str, source: str) -> None:
    """Write a module into the current folder."""
    Path(f"{name}.py").write_text(source)


def said_of(*, modules: list[str] | None = None, library: str | Path = "") -> str:
    with pytest.raises(RequestError) as caught:
        register_ops(modules or [], [Path(library)] if library else [])
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- modules


def test_a_module_of_the_current_folder_is_imported() -> None:
    module("my_ops", "import pathlib\npathlib.Path('imported').touch()\n")
    register_ops(["my_ops"], [])
    assert Path("imported").exists()


def test_a_module_in_a_package_is_imported() -> None:
    Path("my_package").mkdir()
    module("my_package/ops", "import pathlib\npathlib.Path('imported').touch()\n")
    register_ops(["my_package.ops"], [])
    assert Path("imported").exists()


def test_what_a_module_warns_of_at_its_import_is_no_failure() -> None:
    module("my_ops", "import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    register_ops(["my_ops"], [])


def test_a_module_that_does_not_exist_is_one_to_install() -> None:
    assert said_of(modules=["freezeproof_no_such_ops"]) == (
        "--import freezeproof_no_such_ops: there is no such module: pip install the package that "
        "has it, or run in the folder that does"
    )


def test_a_module_that_does_not_exist_is_answered_with_the_nearest() -> None:
    assert "; nearest: tensorflow" in said_of(modules=["tensorflw"])


def test_a_module_that_a_package_lacks_is_named() -> None:
    assert said_of(modules=["json.ops"]).startswith("--import json.ops: there is no such module")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import freezeproof_none", "ModuleNotFoundError: No module named 'freezeproof_none'"),
        ("def", "SyntaxError: invalid syntax (my_ops.py, line 1)"),
        ("raise SystemExit('usage: my_ops FILE')", "SystemExit: usage: my_ops FILE"),
        ("raise ValueError('first\\nsecond')", "ValueError: first"),
    ],
    ids=["error", "module", "syntax", "exit", "lines"],
)
def test_an_error_of_the_module_itself_is_told(source: str, said: str) -> None:
    module("my_ops", f"{source}\n")
    assert said_of(modules=["my_ops"]) == (
        f"--import my_ops: the module fails when it is imported: {said}"
    )


# ---- libraries


def test_a_library_that_does_not_exist_is_answered_with_the_nearest() -> None:
    Path("my_op.so").touch()
    assert said_of(library="my_ops.so") == (
        "--op-library my_ops.so: no such file; nearest: my_op.so"
    )


def test_a_library_in_a_folder_that_does_not_exist_is_named() -> None:
    assert said_of(library="none/my_op.so") == "--op-library none/my_op.so: no such file"


def test_a_folder_is_no_library(tmp_path: Path) -> None:
    assert "no such file" in said_of(library=tmp_path)


def test_a_file_that_is_no_library_is_named_once_with_what_the_loader_says() -> None:
    Path("my_op.so").write_text("no library at all, but longer than the header of one is")
    message = said_of(library="my_op.so")
    assert message.startswith("--op-library my_op.so: TensorFlow cannot load it: ")
    assert message.count("my_op.so") == 1


def test_a_library_built_for_another_tensorflow_is_to_be_built_again(
    compiled: Callable[[str], Path],
) -> None:
    library = compiled(
        "void freezeproof_of_another(void);\n"
        "__attribute__((constructor)) static void use(void) { freezeproof_of_another(); }\n"
    )
    message = said_of(library=library)
    assert "undefined symbol: freezeproof_of_another" in message
    assert message.endswith(f"; it was built for another TensorFlow: build it for {tf.__version__}")


def test_a_bare_name_is_a_file_of_the_current_folder(compiled: Callable[[str], Path]) -> None:
    # The system's loader would look a bare name up among its own libraries.
    Path("bare.so").write_bytes(compiled("int freezeproof_nothing;\n").read_bytes())
    register_ops([], [Path("bare.so")])
