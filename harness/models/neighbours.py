"""The other checkpoints of a folder, and the values that they hold for the same variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import FreezeproofError
from harness.graph.dtypes import dtype_name
from harness.graph.state import Variable
from harness.locate import is_checkpoint
from harness.misfit import is_table
from harness.models.bundle_index import BundleIndex, read_bundle_index
from harness.models.model import CheckpointWeights, Model

_STEP = re.compile(r"(?P<base>.*?)(?P<step>\d+)$")
_INDEX = ".index"
_SHARD = re.compile(r"^(?P<prefix>.+)-\d{5}-of-\d{5}$")
_MOST = 200
"""Of checkpoints that are looked into, the nearest first."""


class SavedValues:
    """The values that the checkpoint at `prefix` holds for variables of `model`."""

    def __init__(self, prefix: Path, model: Model) -> None:
        """Remember both; nothing is opened before the first look-up."""
        self.prefix = prefix
        self._model = replace(model, checkpoint_prefix=str(prefix), variables=())

    @property
    def name(self) -> str:
        """What the checkpoint is called in messages."""
        return self.prefix.name

    def keys_of(self, shape: tuple[int, ...], dtype: str) -> list[str]:
        """Return the names of the tensors of that shape and dtype; none where it is broken."""
        return [
            key
            for key, saved in self._shapes.items()
            if tuple(saved) == shape and dtype_name(self._dtypes[key]) == dtype
        ]

    def may_be(self, variable: Variable, value: npt.NDArray[Any]) -> bool:
        """Say whether the checkpoint may hold `value` for the variable; False is sure."""
        key = variable.key
        if key not in self._shapes or dtype_name(self._dtypes[key]) != variable.dtype:
            return False
        if variable.slice_spec:
            return True
        if tuple(self._shapes[key]) != value.shape:
            return False
        if self._index is None or value.dtype.kind == "O":
            return True
        flat = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        return self._index.may_be(key, flat.data)

    def value(self, variable: Variable) -> npt.NDArray[Any] | None:
        """Return what the checkpoint holds for the variable; None where it cannot be read."""
        weights = CheckpointWeights(replace(self._model, variables=(variable,)))
        try:
            return weights[variable.name]
        except FreezeproofError:
            return None

    @cached_property
    def _reader(self) -> Any:
        try:
            return CheckpointWeights(self._model).reader
        except FreezeproofError:
            return None

    @cached_property
    def _shapes(self) -> dict[str, list[int]]:
        return dict(self._reader.get_variable_to_shape_map()) if self._reader else {}

    @cached_property
    def _dtypes(self) -> dict[str, int]:
        return dict(self._reader.get_variable_to_dtype_map()) if self._reader else {}

    @cached_property
    def _index(self) -> BundleIndex | None:
        return read_bundle_index(self.prefix)


def own_values(model: Model) -> SavedValues | None:
    """Return what the model's own checkpoint holds; None where it has none."""
    if model.checkpoint_prefix is None:
        return None
    return SavedValues(Path(model.checkpoint_prefix), model)


def neighbours(model: Model) -> list[SavedValues]:
    """Return the other checkpoints in the folder of the model's own, the nearest step first.

    Those without a step come last. What is broken shows when it is looked into, and holds nothing.
    """
    if model.checkpoint_prefix is None:
        return []
    own = Path(model.checkpoint_prefix)
    others = {prefix for prefix in _prefixes(own.parent) if prefix.name != own.name}
    nearest = sorted(others, key=lambda prefix: _distance(prefix.name, own.name))
    return [SavedValues(prefix, model) for prefix in nearest[:_MOST]]


def _prefixes(folder: Path) -> Iterable[Path]:
    try:
        files = [file for file in folder.iterdir() if file.is_file()]
    except OSError:
        return
    for file in files:
        if file.suffix == _INDEX:
            prefix = file.with_suffix("")
        elif ".data-" in file.name or file.suffix == ".meta":
            continue  # it has an .index beside it, or a file of V1
        elif is_table(file):
            shard = _SHARD.match(file.name)
            prefix = file.with_name(shard["prefix"]) if shard else file
        else:
            continue
        if is_checkpoint(prefix):
            yield prefix


def _distance(name: str, own: str) -> tuple[int, int, int, str]:
    """Return a key to sort by: checkpoints of the same base name, near in steps, older first."""
    one, other = _STEP.match(name), _STEP.match(own)
    if one is None or other is None:
        return (2, 0, 0, name)
    apart = int(one["step"]) - int(other["step"])
    return (int(one["base"] != other["base"]), abs(apart), int(apart > 0), name)
