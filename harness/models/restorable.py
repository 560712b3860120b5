"""Do graph and checkpoint belong together? Answered from their tables, before any session."""

from __future__ import annotations

import numpy as np

from harness.criteria import Exact, compare
from harness.errors import BrokenModel, listed, nearest
from harness.graph.dtypes import dtype_name
from harness.graph.state import Resource, Variable, nameless
from harness.models.model import Model, open_checkpoint, slice_of
from harness.signature import format_shape, shape_accepts

_LISTED = 3


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
    dtypes = {key: dtype_name(enum) for key, enum in reader.get_variable_to_dtype_map().items()}
    _check_saved(model, shapes)
    _check_owned(model, shapes)
    unfit = [variable for variable in model.variables if _is_unfit(variable, shapes, dtypes)]
    if unfit:
        faults = [_fault(variable, shapes, dtypes) for variable in unfit[:_LISTED]]
        rest = f"; and {len(unfit) - _LISTED} more" if len(unfit) > _LISTED else ""
        raise BrokenModel(
            f"graph and weights of {model.path} are of different runs: {'; '.join(faults)}{rest}"
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


def _check_owned(model: Model, shapes: dict[str, list[int]]) -> None:
    """Refuse variables by whose names the checkpoint holds the values of others.

    As of a saver that writes moving averages under the names of what they are of.
    """
    misled = [v for v in model.variables if v.restored_into and v.key in shapes]
    if not misled:
        return
    faults = [
        f"variable {v.name}: the saver restores {v.key} of the checkpoint into {v.restored_into}, "
        f"not into {v.name}"
        for v in misled[:_LISTED]
    ]
    rest = f"; and {len(misled) - _LISTED} more" if len(misled) > _LISTED else ""
    other = ", or a graph whose saver restores it with --meta-graph FILE"
    raise BrokenModel(
        f"{'; '.join(faults)}{rest}: a value of its own was not saved; name an output that does "
        f"without it with --outputs NAME{other if model.kind == 'checkpoint' else ''}"
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


def _is_unfit(variable: Variable, shapes: dict[str, list[int]], dtypes: dict[str, str]) -> bool:
    return (
        variable.key not in shapes
        or not shape_accepts(variable.shape, _saved_shape(variable, shapes))
        or variable.dtype != dtypes[variable.key]
    )


def _fault(variable: Variable, shapes: dict[str, list[int]], dtypes: dict[str, str]) -> str:
    """Return what is wrong with an unfit variable: of many, naming all would take minutes."""
    key = variable.key
    if key not in shapes:
        known_as = "" if key == variable.name else f" (saved as {key})"
        return f"variable {variable.name}{known_as} is not in the checkpoint{nearest(key, shapes)}"
    saved = _saved_shape(variable, shapes)
    if not shape_accepts(variable.shape, saved):
        return (
            f"variable {variable.name} is {format_shape(variable.shape)} in the graph and "
            f"{format_shape(saved)} in the checkpoint"
        )
    return (
        f"variable {variable.name} is {variable.dtype} in the graph and {dtypes[key]} in "
        f"the checkpoint"
    )


def _saved_shape(variable: Variable, shapes: dict[str, list[int]]) -> tuple[int, ...]:
    saved = tuple(shapes[variable.key])
    return _sliced(saved, variable.slice_spec) if variable.slice_spec else saved


def _sliced(shape: tuple[int, ...], spec: str) -> tuple[int, ...]:
    # A broadcast zero has the shape and none of the memory.
    return slice_of(np.broadcast_to(np.zeros((), np.uint8), shape), spec).shape
