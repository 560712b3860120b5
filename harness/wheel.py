"""TensorFlow comes as one of several wheels: say what to install where there is none.

It is an extra of this distribution and not a dependency, because depending on one wheel breaks
whoever uses another. Nothing is imported here but the standard library.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator

from harness.errors import FreezeproofError, RequestError


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


@contextlib.contextmanager
def startup_noise_kept_back() -> Iterator[None]:
    """Keep what is written to file descriptor 2 inside the block; show it where the block crashes.

    TensorFlow's C++ part writes there before its own logging, and so its log level, is set up.
    """
    sys.stderr.flush()
    try:
        descriptor = os.dup(2)
    except OSError:  # started without a standard error
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        to_show = b""
        try:
            yield
        except (FreezeproofError, KeyboardInterrupt):
            raise  # it says all that the user has to know
        except BaseException:
            kept.seek(0)
            to_show = kept.read()
            raise
        finally:
            sys.stderr.flush()
            os.dup2(descriptor, 2)
            os.close(descriptor)
            sys.stderr.write(to_show.decode(errors="replace"))
