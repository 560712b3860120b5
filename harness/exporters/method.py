"""What an export method is: a name and a function from a model to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import Unsupported
from harness.models.model import Model
from harness.tensor_names import node_name


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a method wrote: a .pb file or a SavedModel folder.

    `names` maps the reference's tensor names to the candidate's, where the method renames them.
    """

    path: Path
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way from a reference to a candidate.

    `export` writes into the empty folder that it is given. It raises `Unsupported` with a reason
    where the method cannot serve the model; any other exception is a failed export.
    """

    name: str
    summary: str
    export: Callable[[Model, Path], Export]


def output_nodes(model: Model) -> list[str]:
    """Return the names of the nodes that the outputs belong to, each once."""
    return list(dict.fromkeys(node_name(name) for name in model.signature.output_names))


def need_checkpoint(model: Model) -> str:
    """Return the prefix that a saver restores from.

    Raises:
        Unsupported: the model has no variables to restore, or no checkpoint.
    """
    if model.kind == "frozen":
        raise Unsupported("a frozen graph has no checkpoint to restore")
    if not model.variables:
        raise Unsupported("no variable reaches the outputs, so there is nothing to restore")
    assert model.checkpoint_prefix is not None  # a model with variables was read from one
    return model.checkpoint_prefix


@contextlib.contextmanager
def known_limit(reason: str, *, applies: bool) -> Iterator[None]:
    """Turn a failure that is a method's known limit into `Unsupported`.

    The method is tried all the same: where a newer TensorFlow has lifted the limit, it is used.
    """
    try:
        yield
    except Exception as error:
        if applies and not isinstance(error, Unsupported):
            raise Unsupported(f"{reason} ({type(error).__name__})") from error
        raise
