"""A model as it was read from disk: the graph between inputs and outputs, and lazy weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from harness.domain import Domain
from harness.errors import BrokenModel, RequestError, first_line
from harness.graph.state import Variable
from harness.locate import PATTERN_MARKS, Kind
from harness.models.checkpoint_files import blame
from harness.models.constants import Constants, LeftOut
from harness.signature import Signature, format_shape

_NO_SLICES = "Sliced checkpoints are not supported"  # tensor_slice_reader.cc, of V1 alone


@dataclass(frozen=True, kw_only=True)
class Model:
    """The graph that computes `signature.outputs` from `signature.inputs`, beside its weights.

    `graph_def` holds that sub-graph and nothing else. `variables` are those in it; `weights` maps
    their node names to values, read when asked for. `checkpoint_prefix` is what a saver restores
    from, None for a frozen graph. `saved_tensors` counts what the checkpoint holds, on the path or
    off it. `cuts` are the inputs that are no placeholders: the graph was cut there, and
    `cut_off` are the variables that lie before a cut that nobody named. `defaults` are the domains
    of the inputs that had a default where they were cut.
    `unused_inputs` are those of a SavedModel's signature that no output depends on;
    `without_average` are the variables that keep their value though averages were asked for, be
    it by the graph's own saver; `unread_averages` those on the path that take their raw value while
    the checkpoint holds their moving average. `meta_path` is the .meta that the graph is from.
    Of a candidate, `variables` are those that were not converted, and `variables_off_path` those
    that its file holds beside them. `left_out` says where the values are that an outline lacks; an
    outline is never run.
    """

    path: Path
    kind: Kind
    graph_def: graph_pb2.GraphDef
    signature: Signature
    inputs_inferred: bool
    outputs_inferred: bool
    variables: tuple[Variable, ...] = ()
    checkpoint_prefix: str | None = None
    saved_tensors: int = 0
    cuts: tuple[str, ...] = ()
    cut_off: tuple[str, ...] = ()
    defaults: Mapping[str, Domain] = field(default_factory=dict)
    unused_inputs: tuple[str, ...] = ()
    without_average: tuple[str, ...] = ()
    unread_averages: tuple[str, ...] = ()
    meta_path: Path | None = None
    variables_off_path: tuple[str, ...] = ()
    left_out: LeftOut | None = None

    @cached_property
    def constants(self) -> Constants:
        """Values of all Const nodes by `name_in(function, node)`, read when asked for."""
        return Constants(self.graph_def, holder=str(self.path), left_out=self.left_out)

    @property
    def weights(self) -> Mapping[str, npt.NDArray[Any]]:
        """Values by variable name; each look-up reads the checkpoint."""
        return CheckpointWeights(self)


class CheckpointWeights(Mapping[str, npt.NDArray[Any]]):
    """The values of a model's variables, read one at a time by the checkpoint reader."""

    def __init__(self, model: Model, reader: Any = None) -> None:
        """Remember the model; nothing is opened before the first look-up.

        `reader` is TensorFlow's, of the model's checkpoint, where one is open already.
        """
        self._variables = {variable.name: variable for variable in model.variables}
        self._path = model.path
        self._prefix = model.checkpoint_prefix
        self._reader: Any = reader

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return the value of the variable `name`, sliced where it is a shard.

        Raises:
            KeyError: the graph has no such variable.
            BrokenModel: the checkpoint does not hold it, or is damaged, or there is none.
        """
        variable = self._variables[name]
        if self._prefix is None:
            raise BrokenModel(
                f"{self._path.name} is not frozen: {name} left as variable ({variable.op}), "
                f"without a value"
            )
        reader = self.reader
        try:
            value = reader.get_tensor(variable.key)
        except Exception as error:  # the reader raises errors.OpError, IndexError, RuntimeError
            if _NO_SLICES in str(error):
                return _restored(str(self._prefix), variable)
            raise BrokenModel(self._why_unreadable(variable, error)) from error
        # numpy's own type for bytes drops zero bytes at the end of a scalar string.
        array = np.asarray(value, dtype=object if isinstance(value, bytes) else None)
        return slice_of(array, variable.slice_spec)

    def _why_unreadable(self, variable: Variable, error: Exception) -> str:
        what = f"the value of variable {variable.name} cannot be read"
        if not self.reader.has_tensor(variable.key):
            return f"{what} from {self._prefix}: {first_line(error)}"
        return f"{what}: {blame(Path(str(self._prefix)), error, of_values=True)}"

    def __iter__(self) -> Iterator[str]:
        """Iterate over the variables' node names."""
        return iter(self._variables)

    def __len__(self) -> int:
        """Return how many variables the model has."""
        return len(self._variables)

    @property
    def reader(self) -> Any:
        """TensorFlow's checkpoint reader, opened at first use."""
        if self._reader is None:
            self._reader = open_checkpoint(str(self._prefix))
        return self._reader


def _restored(prefix: str, variable: Variable) -> npt.NDArray[Any]:
    """Return a value that the reader of V1 checkpoints does not put together: one saved in slices.

    Raises:
        BrokenModel: TensorFlow cannot restore it.
    """
    # A GPU of the machine would have its memory held for nothing.
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        values = tf.raw_ops.RestoreV2(
            prefix=prefix,
            tensor_names=[variable.key],
            shape_and_slices=[variable.slice_spec],
            dtypes=[tf.dtypes.as_dtype(variable.dtype)],
        )
        try:
            return np.asarray(session.run(values[0]))
        except tf.errors.OpError as error:
            raise BrokenModel(
                f"the value of variable {variable.name} cannot be restored from {prefix}: "
                f"{first_line(error)}"
            ) from error


def open_checkpoint(prefix: str) -> Any:
    """Return TensorFlow's reader of the checkpoint at `prefix`, V1 or V2.

    Raises:
        RequestError: TensorFlow would take the path for a pattern, and may read other files.
        BrokenModel: the files are missing or damaged.
    """
    marks = PATTERN_MARKS.intersection(str(Path(prefix).absolute()))
    if marks:
        raise RequestError(
            f"--checkpoint {prefix}: TensorFlow takes {' '.join(sorted(marks))} in a path for a "
            f"pattern and may read another checkpoint: rename the folder, or link to it"
        )
    try:
        return tf.train.load_checkpoint(prefix)
    except Exception as error:  # errors.OpError, ValueError or RuntimeError, by version
        raise BrokenModel(
            f"the checkpoint {prefix} cannot be read: {blame(Path(prefix), error)}"
        ) from error


def slice_of(value: npt.NDArray[Any], spec: str) -> npt.NDArray[Any]:
    """Return the part of a tensor that a saver's slice spec names.

    "10 4 0,5:0,4" is rows 0 to 5 and columns 0 to 4 of a (10, 4) tensor; "-" is a whole dimension.
    Grammar: tensorflow/core/framework/tensor_slice.h.

    Raises:
        BrokenModel: the spec is none, or one of a tensor with more dimensions.
    """
    if not spec:
        return value
    extents = spec.rpartition(" ")[2].split(":")
    index = []
    try:
        for extent in extents:
            if extent == "-":
                index.append(slice(None))
            else:
                start, length = map(int, extent.split(","))
                index.append(slice(start, start + length))
        return value[tuple(index)]
    except (ValueError, IndexError) as error:
        raise BrokenModel(
            f"the graph's saver asks for the slice {spec!r} of a tensor that is "
            f"{format_shape(value.shape)}: graph and weights are of different runs, or the file "
            f"of the graph is damaged"
        ) from error
