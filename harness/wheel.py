"""TensorFlow comes as one of several wheels: say what to install where there is none.

It is an extra of this distribution and not a dependency, because depending on one wheel breaks
whoever uses another. Nothing is imported here but the standard library.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os

from harness.errors import RequestError


def require_tensorflow() -> None:
    """Make sure that TensorFlow can be imported, and that its start does not flood the terminal.

    Raises:
        RequestError: it is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise RequestError(
            "TensorFlow is not installed: pip install 'freezeproof[cpu]' (or [tensorflow], or any "
            "TensorFlow wheel of your own)"
        )
    # Information and warnings of its C++ part: which CPU instructions it uses, and the like.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def tensorflow_version() -> str:
    """Return the version of TensorFlow, without importing it."""
    distributions = importlib.metadata.packages_distributions().get("tensorflow", ())
    for name in distributions:
        return importlib.metadata.version(name)
    return "unknown"
