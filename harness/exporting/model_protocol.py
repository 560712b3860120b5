"""What a model is to the exporter: three functions that build its graph."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Protocol, cast

from harness.errors import RequestError, nearest

_FUNCTIONS = ("preprocess", "predict", "postprocess")


class InferenceModel(Protocol):
    """A model as slim-like training code has it: three functions, each adding to the graph.

    Variables are made by `predict`, under the names that they have in the training checkpoint.
    """

    def preprocess(self, inputs: Any, /) -> Any:
        """Make what `predict` takes of `(batch, height, width, channels) float32`, 0 to 255."""

    def predict(self, preprocessed: Any, /) -> Any:
        """Make what `postprocess` takes."""

    def postprocess(self, predicted: Any, /) -> dict[str, Any]:
        """Return the outputs: tensors by the names that they are served by."""


def load_model(reference: str) -> InferenceModel:
    """Return the model that `package.module:factory` makes; the current folder is searched too.

    Raises:
        RequestError: there is no such factory, it fails, or it makes something else.
    """
    option = f"--model {reference}"
    module_name, _, path = reference.partition(":")
    if not module_name or not all(
        part.isidentifier() for part in [*module_name.split("."), *path.split(".")]
    ):
        raise RequestError(f"{option}: it should be package.module:factory")
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
    if lacking:
        raise RequestError(
            f"{who}: a {type(model).__name__} has no {' and no '.join(lacking)}; a model has "
            f"preprocess(inputs), predict(preprocessed) and postprocess(predicted)"
        )
    return cast("InferenceModel", model)


def _is_model(found: object) -> bool:
    return all(callable(getattr(found, name, None)) for name in _FUNCTIONS)


def _imported(module_name: str, option: str) -> Any:
    # As `python -m` does: the model's package lies where the command is run, seldom installed.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        missing = getattr(error, "name", None) or module_name
        where = f" (searched from {here})" if module_name.startswith(missing) else ""
        raise RequestError(f"{option}: {error}{where}") from error
    except Exception as error:  # the user's own code: anything may come out of it
        raise RequestError(
            f"{option}: importing {module_name} fails with {type(error).__name__}: {error}"
        ) from error


def _made(factory: Any, option: str) -> object:
    if not callable(factory):
        raise RequestError(f"{option}: a {type(factory).__name__} is no factory and no model")
    try:
        return factory()
    except Exception as error:  # the user's own code
        raise RequestError(
            f"{option}: called without arguments, it fails with {type(error).__name__}: {error}"
        ) from error
