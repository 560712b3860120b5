"""Ops that TensorFlow does not bring itself, registered before a model is opened."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from harness.errors import RequestError, first_line, nearest


def register_ops(modules: Sequence[str], libraries: Sequence[Path]) -> None:
    """Load op libraries, then import modules, which may be about ops of those libraries.

    What was loaded before is not loaded again; nothing can be unloaded.

    Raises:
        RequestError: one does not exist or cannot be loaded.
    """
    for library in libraries:
        _load(library)
    if modules:
        _make_current_folder_importable()
    for module in modules:
        _import(module)


def _load(library: Path) -> None:
    if not library.is_file():
        beside = [p.name for p in library.parent.iterdir()] if library.parent.is_dir() else []
        raise RequestError(f"--op-library {library}: no such file{nearest(library.name, beside)}")
    # Absolute, since a bare name would be looked up where the system keeps its libraries.
    path = str(library.absolute())
    try:
        tf.load_op_library(path)
    except (tf.errors.OpError, RuntimeError) as error:
        said = first_line(error).removeprefix(f"{path}: ")
        raise RequestError(
            f"--op-library {library}: TensorFlow cannot load it: {said}{_remedy(said)}"
        ) from error


def _remedy(said: str) -> str:
    if "undefined symbol" in said or "symbol not found" in said:
        return f"; it was built for another TensorFlow: build it for {tf.__version__}"
    return ""


def _make_current_folder_importable() -> None:
    # As `python -m pytest` has it; the command `pytest`, and workers of pytest-xdist, do not.
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _import(module: str) -> None:
    try:
        with warnings.catch_warnings():
            # A package's own, which a user's `-W error` would turn into failures.
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Not one that the module itself imports: that is an error of the module.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _failed(module, error) from error
        known = importlib.metadata.packages_distributions()
        raise RequestError(
            f"--import {module}: there is no such module: pip install the package that has it, or "
            f"run in the folder that does{nearest(module, known)}"
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(module, error) from error


def _failed(module: str, error: BaseException) -> RequestError:
    return RequestError(
        f"--import {module}: the module fails when it is imported: {type(error).__name__}: "
        f"{first_line(error)}"
    )
