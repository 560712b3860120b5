"""A model is found by its name, and whatever its own code does is told as its own."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import RequestError
from harness.exporting.model_protocol import ModelRaised, checked, load_model, users_code

MODEL = """
class Model:
    def preprocess(self, inputs): return inputs
    def predict(self, preprocessed): return preprocessed
    def postprocess(self, predicted): return {"outputs": predicted}

class Sized(Model):
    def __init__(self, size): self.size = size

class Incomplete:
    def predict(self, preprocessed): return preprocessed

def inference_model(): return Model()
def training_model(): return Incomplete()
def nothing(): pass
def failing(): return {}["weights"]
def leaving(): raise SystemExit("usage: train")
ready = Model()
count = 3
"""

Write = Callable[..., str]


NUMBER = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module into the current folder, and return its name, which no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write_module(text: str = MODEL) -> str:
        name = f"model_of_a_test_{next(NUMBER)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return write_module


@pytest.mark.parametrize("factory", ["inference_model", "Model", "ready"])
def test_a_function_a_class_or_a_model_itself_gives_the_model(write: Write, factory: str) -> None:
    assert type(load_model(f"{write()}:{factory}")).__name__ == "Model"


def test_a_factory_may_be_in_a_class(write: Write) -> None:
    name = write(f"{MODEL}\nclass Zoo:\n    small = staticmethod(inference_model)\n")
    assert type(load_model(f"{name}:Zoo.small")).__name__ == "Model"


def test_the_current_folder_is_not_needed_for_an_installed_module(
    write: Write, tmp_path: Path
) -> None:
    package = tmp_path / "elsewhere"
    package.mkdir()
    name = write()
    (tmp_path / f"{name}.py").rename(package / f"{name}.py")
    sys.path.append(str(package))
    load_model(f"{name}:Model")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("model", "--model model: it should be package.module:factory, as model:FACTORY"),
        ("model:", "--model model:: it should be package.module:factory, as model:FACTORY"),
        (":make", "--model :make: it should be package.module:factory"),
        ("", "--model : it should be package.module:factory"),
        (
            "nets/model.py:make",
            "--model nets/model.py:make: it should be package.module:factory, as nets.model:make",
        ),
        ("nets model:make", "--model nets model:make: it should be package.module:factory"),
    ],
)
def test_what_names_no_factory_is_refused_with_what_may_be_meant(
    reference: str, message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        load_model(reference)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("inference_modle", "NAME has no inference_modle; nearest: inference_model"),
        (
            "training_model",
            "Incomplete has no preprocess and no postprocess; a model has preprocess(inputs), "
            "predict(preprocessed) and postprocess(predicted)",
        ),
        ("nothing", "None has no preprocess and no predict and no postprocess; a model has"),
        ("count", "int is no factory and no model"),
        (
            "Sized",
            "called without arguments, it fails with TypeError: Sized.__init__() missing 1 "
            "required positional argument: 'size'; name a function without arguments that makes it",
        ),
        ("failing", "called without arguments, it fails with KeyError: 'weights' (FILE:16)"),
        ("leaving", "called without arguments, it fails with SystemExit: usage: train (FILE:17)"),
    ],
)
def test_what_makes_no_model_is_told(
    write: Write, tmp_path: Path, factory: str, message: str
) -> None:
    name = write()
    with pytest.raises(RequestError) as caught:
        load_model(f"{name}:{factory}")
    said = str(caught.value).replace(str(tmp_path / f"{name}.py"), "FILE")
    assert said.replace(f"--model {name}:{factory}: ", "").replace(name, "NAME").startswith(message)


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "nowhere_to_be_found.inner"])
def test_a_module_that_does_not_exist_is_told_with_the_folder_that_was_searched(
    write: Write, tmp_path: Path, name: str
) -> None:
    write()
    with pytest.raises(RequestError) as caught:
        load_model(f"{name}:make")
    assert str(caught.value) == (
        f"--model {name}:make: there is no module nowhere_to_be_found in the current folder "
        f"({tmp_path}), nor is one installed"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nowhere_to_be_found",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("\n1 / 0", "ZeroDivisionError: division by zero (FILE:2)"),
        ("import sys\nsys.exit(2)", "SystemExit: 2 (FILE:2)"),
        ("def make(:", "SyntaxError: invalid syntax"),
    ],
)
def test_a_module_that_fails_is_the_users_own_code(
    write: Write, tmp_path: Path, text: str, message: str
) -> None:
    name = write(text)
    with pytest.raises(ModelRaised) as caught:
        load_model(f"{name}:make")
    said = str(caught.value).replace(str(tmp_path / f"{name}.py"), "FILE")
    assert said.startswith(f"--model {name}:make: importing {name} fails with {message}")


def test_the_traceback_begins_where_the_users_code_is_entered(write: Write, tmp_path: Path) -> None:
    name = write(
        """
        def make():
            return inner()

        def inner():
            return int("many")
        """
    )
    with pytest.raises(ModelRaised) as caught:
        load_model(f"{name}:make")
    lines = caught.value.traceback().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path / name}.py", line 3, in make'
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'many'"
    assert str(caught.value).endswith(f"({tmp_path / name}.py:6)")


def test_the_place_is_the_users_line_and_no_librarys(write: Write, tmp_path: Path) -> None:
    name = write("import json\ndef make():\n    return json.loads('{')\n")
    with pytest.raises(ModelRaised, match=rf"\({tmp_path / name}\.py:3\)$"):
        load_model(f"{name}:make")


def test_a_class_is_no_model() -> None:
    class Model:
        preprocess = predict = postprocess = print

    with pytest.raises(RequestError, match=r"^model: Model is a class, and should be an object"):
        checked(Model, "model")


def test_errors_of_ours_pass_through_users_code() -> None:
    error = RequestError("a mistake that was told already")
    with pytest.raises(RequestError) as caught, users_code("model: predict"):
        raise error
    assert caught.value is error


def test_an_error_without_text_is_told_by_its_kind() -> None:
    with pytest.raises(ModelRaised) as caught, users_code("model: predict"):
        raise NotImplementedError
    assert str(caught.value).startswith("model: predict fails with NotImplementedError (")


def test_ctrl_c_is_no_failure_of_the_model() -> None:
    with pytest.raises(KeyboardInterrupt), users_code("model: predict"):
        raise KeyboardInterrupt


def test_looking_for_a_model_imports_no_tensorflow() -> None:
    code = (
        "import sys; import harness.exporting, harness.exporting.model_protocol; "
        "import harness.exporting.layout, harness.export_command; "
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
