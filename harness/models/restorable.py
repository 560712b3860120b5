"""Do graph and checkpoint belong together? Answered from their tables, before any session."""

from __future__ import annotations

import numpy as np

from harness.criteria import Exact, compare
from harness.errors import BrokenModel, listed, nearest
from harness.graph.dtypes import dtype_name
from harness.graph.state import Resource, Variable, nameless
from harness.models.model import Model, open_checkpoint, slice_of
from harness.signature import format_shape, shape_accepts


def check_restorable(model: Model) -> None:
    """Hold every variable on the path against the checkpoint: present, same shape, same dtype.

    Raises:
        BrokenModel: naming each variable that does not fit (the first few of many), or that no
            saver can restore.
    """
    if not model.variables:
        return
    if model.checkpoint_prefix is None:
        names = [variable.name for variable in model.variables]
        raise BrokenModel(
            f"{model.path} is a training graph, not a frozen one: its variables have no values "
            f"({listed(names)}); give its checkpoint with --checkpoint PREFIX"
        )
    _check_named(model)
    reader = open_checkpoint(model.checkpoint_prefix)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    _check_saved(model, shapes)
    faults = [
        fault
        for variable in model.variables
        if (fault := _fault(variable, shapes, {k: dtype_name(v) for k, v in dtypes.items()}))
    ]
    if faults:
        rest = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise BrokenModel(
            f"graph and weights of {model.path} are of different runs: "
            f"{'; '.join(faults[:3])}{rest}"
        )
    _check_agreement(model)


def _check_named(model: Model) -> None:
    for variable in model.variables:
        if variable.resource is None:
            raise BrokenModel(nameless(variable))


def _check_saved(model: Model, shapes: dict[str, list[int]]) -> None:
    """Refuse variables that the graph's saver was never meant to restore."""
    absent = [variable for variable in model.variables if variable.key not in shapes]
    for why, names in (
        (
            "in the collection of local variables, which no saver saves",
            [variable.name for variable in absent if variable.is_local],
        ),
        (
            "which the graph's saver does not restore and the checkpoint does not hold",
            [variable.name for variable in absent if variable.is_left_out],
        ),
    ):
        if names:
            raise BrokenModel(
                f"the output depends on {listed(names)}, {why}: what initialises it must still be "
                f"run, so that the model cannot be frozen as it is; name an output that does "
                f"without it with --outputs NAME"
            )


def _check_agreement(model: Model) -> None:
    """Refuse nodes that are one variable to TensorFlow and have different values saved for it."""
    kept: dict[Resource | None, Variable] = {}
    for variable in model.variables:
        first = kept.setdefault(variable.resource, variable)
        if (first.key, first.slice_spec) == (variable.key, variable.slice_spec):
            continue
        values = (model.weights[first.name], model.weights[variable.name])
        if compare(*values, criterion=Exact()) is not None:
            name = variable.resource.name if variable.resource else ""
            raise BrokenModel(
                f"{first.name} and {variable.name} have the shared_name {name!r} and so are one "
                f"variable, yet the saver restores {first.key} into the one and {variable.key}, "
                f"of another value, into the other: which of them it keeps is left to chance"
            )


def _fault(variable: Variable, shapes: dict[str, list[int]], dtypes: dict[str, str]) -> str:
    key = variable.key
    if key not in shapes:
        known_as = "" if key == variable.name else f" (saved as {key})"
        return f"variable {variable.name}{known_as} is not in the checkpoint{nearest(key, shapes)}"
    saved = tuple(shapes[key])
    if variable.slice_spec:
        saved = _sliced(saved, variable.slice_spec)
    if not shape_accepts(variable.shape, saved):
        return (
            f"variable {variable.name} is {format_shape(variable.shape)} in the graph and "
            f"{format_shape(saved)} in the checkpoint"
        )
    if variable.dtype != dtypes[key]:
        return (
            f"variable {variable.name} is {variable.dtype} in the graph and {dtypes[key]} in "
            f"the checkpoint"
        )
    return ""


def _sliced(shape: tuple[int, ...], spec: str) -> tuple[int, ...]:
    # A broadcast zero has the shape and none of the memory.
    return slice_of(np.broadcast_to(np.zeros((), np.uint8), shape), spec).shape
