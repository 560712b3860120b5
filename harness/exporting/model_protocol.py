"""What a model is to the exporter: three functions that build its graph."""

from __future__ import annotations

import contextlib
import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from harness.errors import FreezeproofError, RequestError, first_line, nearest

_FUNCTIONS = ("preprocess", "predict", "postprocess")
_OWN = Path(__file__).parents[1]
_OF_OTHERS = tuple(
    f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_INSTALLED = {"site-packages", "dist-packages"}
"""Folders of what is installed, be it in another environment that this one shows."""
_REMEDIES = {
    "EagerTensor without building a function": "what preprocess, predict and postprocess use must "
    "be made by them, variables too: they are called in a graph of their own",
    "must be from the same graph": "what preprocess, predict and postprocess use must be made by "
    "them, variables too: they are called in a graph of their own",
    "is not available with Keras 3": "pip install tf_keras and set the environment variable "
    "TF_USE_LEGACY_KERAS=1",
}
"""What TensorFlow says, by a part of it, and what is to be done."""


class InferenceModel(Protocol):
    """A model as slim-like training code has it: three functions, each adding to the graph.

    Variables are made by them, under the names that they have in the training checkpoint.
    """

    def preprocess(self, inputs: Any, /) -> Any:
        """Make what `predict` takes of `(batch, height, width, channels) float32`, 0 to 255."""

    def predict(self, preprocessed: Any, /) -> Any:
        """Make what `postprocess` takes."""

    def postprocess(self, predicted: Any, /) -> dict[str, Any]:
        """Return the outputs: tensors by the names that they are served by."""


class ModelRaised(RequestError):
    """The user's own code raised an error, which is this one's cause."""

    def traceback(self) -> str:
        """Return the traceback of the cause, from where the user's code was entered."""
        cause = self.__cause__
        assert cause is not None
        lines = traceback.TracebackException.from_exception(cause)
        inner = (each for each in lines.stack if not _is_ours(each.filename))
        lines.stack = traceback.StackSummary.from_list(list(inner))
        return "".join(lines.format(chain=False))


@contextlib.contextmanager
def users_code(what: str) -> Iterator[None]:
    """Make an error that says what was called, and where it failed, of whatever comes out.

    Raises:
        ModelRaised: the code in the block raised an error that is none of ours, or wants to exit.
    """
    try:
        yield
    except FreezeproofError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and _is_ours(_innermost(error)):
            raise  # a signal, which may come at any time
        said = first_line(error)
        kind = type(error).__name__
        remedy = "".join(f"; {told}" for part, told in _REMEDIES.items() if part in str(error))
        raise ModelRaised(
            f"{what} fails with {kind if said == kind else f'{kind}: {said}'}{_place(error)}"
            f"{remedy}"
        ) from error


def load_model(reference: str) -> InferenceModel:
    """Return the model that `package.module:factory` makes; the current folder is searched too.

    Raises:
        RequestError: there is no such factory, it fails, or it makes something else.
    """
    option = f"--model {reference}"
    module_name, _, path = reference.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *path.split(".")]):
        raise RequestError(f"{option}: it should be package.module:factory{_meant(reference)}")
    found: Any = _imported(module_name, option)
    for part in path.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(found) if not name.startswith("_")]
            raise RequestError(f"{option}: {module_name} has no {path}{nearest(part, names)}")
        found = getattr(found, part)
    if isinstance(found, type) or not _is_model(found):
        found = _made(found, option)
    return checked(found, option)


def checked(model: object, who: str) -> InferenceModel:
    """Return `model`, which `who` gave.

    Raises:
        RequestError: it lacks one of the three functions.
    """
    lacking = [name for name in _FUNCTIONS if not callable(getattr(model, name, None))]
    if isinstance(model, type):
        raise RequestError(f"{who}: {model.__name__} is a class, and should be an object of it")
    if lacking:
        kind = "None" if model is None else type(model).__name__
        raise RequestError(
            f"{who}: {kind} has no {' and no '.join(lacking)}; a model has preprocess(inputs), "
            f"predict(preprocessed) and postprocess(predicted)"
        )
    return cast("InferenceModel", model)


def _is_model(found: object) -> bool:
    return all(callable(getattr(found, name, None)) for name in _FUNCTIONS)


def _meant(reference: str) -> str:
    """Return what somebody may mean who names a file, or forgets the factory."""
    module, _, path = reference.partition(":")
    parts = Path(module.removesuffix(".py")).parts
    if not parts or not all(part.isidentifier() for part in ".".join(parts).split(".")):
        return ""
    return f", as {'.'.join(parts)}:{path or 'FACTORY'}"


def _imported(module_name: str, option: str) -> Any:
    # As `python -m` does: the model's package lies where the command is run, seldom installed.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with users_code(f"{option}: importing {module_name}"):
            return importlib.import_module(module_name)
    except ModelRaised as error:
        missing = getattr(error.__cause__, "name", None)
        # Not one that the module itself imports: that is an error of the module.
        if isinstance(error.__cause__, ModuleNotFoundError) and f"{module_name}.".startswith(
            f"{missing}."
        ):
            raise RequestError(
                f"{option}: there is no module {missing} in the current folder ({here}), nor is "
                f"one installed"
            ) from error
        raise


def _made(factory: Any, option: str) -> object:
    if not callable(factory):
        raise RequestError(f"{option}: {type(factory).__name__} is no factory and no model")
    try:
        with users_code(f"{option}: called without arguments, it"):
            return factory()
    except ModelRaised as error:
        if not isinstance(error.__cause__, TypeError) or _place(error.__cause__):
            raise
        raise RequestError(
            f"{error}; name a function without arguments that makes it"
        ) from error.__cause__


def _place(error: BaseException) -> str:
    """Return where in the user's own code it failed: the innermost line that is no library's."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _is_ours(frame.filename)
        and not frame.filename.startswith(("<", *_OF_OTHERS))
        and not _INSTALLED & set(Path(frame.filename).parts)
    ]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _innermost(error: BaseException) -> str:
    return traceback.extract_tb(error.__traceback__)[-1].filename


def _is_ours(filename: str) -> bool:
    return _OWN in Path(filename).parents
