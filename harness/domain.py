"""The values that an input accepts, as data: what the graph says of them, or the user.

A `Domain` is a shape, whose unknown dimensions are `Axis`, and `Values`, one of the kinds below.
`str` of each is what the report says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from harness.signature import Shape

T = TypeVar("T")

Number = int | float | bool
Value = Number | str | bytes
Nested = Value | tuple["Nested", ...]
"""An array: a value, or rows."""

BATCH = "batch"
"""The name of the axis that unknown leading dimensions share."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A dimension whose size is drawn; axes of one name have one size in an example.

    `sizes` are those that are drawn, ascending; 0 among them is tried first and once, and so are
    those of `once`. `refused_by` is the node whose shape function objects to other sizes, "" where
    none does.
    """

    name: str
    sizes: tuple[int, ...]
    refused_by: str = ""
    once: tuple[int, ...] = ()

    def __str__(self) -> str:
        why = f" (some others are refused by {self.refused_by})" if self.refused_by else ""
        once = f" and once {format_sizes(self.once)}" if self.once else ""
        return f"{self.name} {format_sizes(self.sizes)}{once}{why}"


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, both inclusive."""

    low: Number
    high: Number

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """One of these values in each element; a single one is a constant."""

    values: tuple[Value, ...]

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"always {self.values[0]!r}"
        return f"one of {', '.join(map(repr, self.values))}"


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A flag or a rate by which a model is told whether it is trained: is_training, keep_prob.

    `inference` is what is fed; with `training`, a few examples are run apart, whose findings are
    warnings.
    """

    inference: Number
    training: Number

    def __str__(self) -> str:
        return f"{self.inference}, as for inference (in a run apart {self.training})"


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Encoded pictures, in strings: all of one example have one size.

    `channels` is 1, 3 or 4, or 0 for what a format likes.
    """

    formats: tuple[str, ...] = ("png", "jpeg")
    channels: int = 0
    heights: tuple[int, ...] = (1, 7, 16, 33)
    widths: tuple[int, ...] = (1, 8, 17, 32)

    def __str__(self) -> str:
        return (
            f"pictures in {' or '.join(self.formats)}, height {format_sizes(self.heights)}, "
            f"width {format_sizes(self.widths)}"
        )


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """WAV files of 16 bits, in strings."""

    channels: int = 1
    samples: tuple[int, ...] = (1, 160, 1000, 16000)

    def __str__(self) -> str:
        return f"WAV of {format_sizes(self.samples)} samples, {self.channels} channel(s)"


@dataclass(frozen=True, kw_only=True)
class NumberTexts:
    """Numbers of `dtype` in decimal, in strings."""

    dtype: str = "float32"

    def __str__(self) -> str:
        return f"decimal numbers of {self.dtype}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A field of a CSV record; one that is not `required` may be left empty."""

    dtype: str
    required: bool = True
    values: Values | None = None

    def __str__(self) -> str:
        values = "" if self.values is None else f" {self.values}"
        return f"{self.dtype}{values}{'' if self.required else ' or nothing'}"


@dataclass(frozen=True, kw_only=True)
class Records:
    """Lines of CSV, in strings; with `quotes`, a field may stand in double quotes."""

    columns: tuple[Column, ...]
    delimiter: str = ","
    quotes: bool = True

    def __str__(self) -> str:
        return f"CSV of {'; '.join(map(str, self.columns))}"


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature of a tf.train.Example: of a fixed `shape`, or None for any number of values.

    Of a shape that begins with None, there are any number of rows. One that is not `required` is
    left out at times.
    """

    dtype: str
    shape: Shape | None = None
    required: bool = True
    values: Values | None = None

    def __str__(self) -> str:
        size = "any number of" if self.shape is None else f"{list(self.shape)}"
        values = "" if self.values is None else f" ({self.values})"
        return f"{size} {self.dtype}{values}{'' if self.required else ' or nothing'}"


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Serialized tf.train.Example, or SequenceExample where there are feature lists, in strings.

    `features` are those of the context there; each of `feature_lists` is a list of its feature.
    """

    features: Mapping[str, Feature]
    feature_lists: Mapping[str, Feature] = field(default_factory=dict)

    def __str__(self) -> str:
        kind = "SequenceExample" if self.feature_lists else "Example"
        named = [*self.features.items(), *self.feature_lists.items()]
        said = "; ".join(f"{name}: {feature}" for name, feature in named)
        return f"tf.train.{kind} with {said}"


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Whole numbers from 1 to the size of an axis of the input `of`, over `divisor`."""

    of: str
    axis: int
    divisor: int = 1

    def __str__(self) -> str:
        part = "" if self.divisor == 1 else f" over {self.divisor}"
        return f"lengths: 1 to the size of axis {self.axis} of {self.of}{part}"


@dataclass(frozen=True, kw_only=True)
class SizeOf:
    """The size of an axis of the input `of`, in every element."""

    of: str
    axis: int

    def __str__(self) -> str:
        return f"the size of axis {self.axis} of {self.of}"


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """The indices of a sparse tensor: sorted, distinct, and within `shape`.

    The inputs `values` and `dense_shape` ("" where it is no input) are drawn together with them:
    as many values as indices, and the shape.
    """

    values: str
    dense_shape: str
    shape: tuple[int | Axis, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """The inputs that are drawn together with the indices."""
        return tuple(name for name in (self.values, self.dense_shape) if name)

    def __str__(self) -> str:
        sizes = ", ".join(size.name if isinstance(size, Axis) else str(size) for size in self.shape)
        members = " and ".join(self.members)
        return f"indices of a sparse tensor of [{sizes}], drawn together with {members}"


@dataclass(frozen=True, kw_only=True)
class NewShape:
    """The shape argument of a Reshape: one -1, and ones."""

    def __str__(self) -> str:
        return "a shape: one -1, and ones"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What stands in a file: an array of .npy or .npz, or the files of a folder, as strings.

    `key` is the array's name in an .npz. An example takes some rows of the array in order.
    """

    path: Path
    key: str = ""

    def __str__(self) -> str:
        return f"from {self.path}{f' ({self.key})' if self.key else ''}"


Values = (
    Range
    | Choices
    | Phase
    | Pictures
    | Sounds
    | NumberTexts
    | Records
    | Examples
    | Lengths
    | SizeOf
    | Sparse
    | NewShape
    | Recorded
)


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What is known of an input beside its dtype; None and "" leave it open.

    `shape` narrows the signature's. `distribution` is the only one of `inputs.distributions` that
    is drawn. `landmarks` are numbers that the graph compares the input with: they are drawn too,
    and their neighbours. `default` is what the graph takes in every element where nothing is fed.
    `dtype` is held against the signature's. `read_from` is the node of the graph that says so, ""
    for what the user states.
    """

    shape: tuple[int | Axis | None, ...] | None = None
    values: Values | None = None
    distribution: str = ""
    landmarks: tuple[Number, ...] = ()
    default: Value | None = None
    dtype: str = ""
    read_from: str = ""


@dataclass(frozen=True, kw_only=True)
class KnownOutputs:
    """Feeds to be tried, and the outputs that they are known to give, as far as they are known.

    What is known stands in a file or is stated as it is. `rtol` is relative to the largest
    magnitude of an output. `where` is the place that says so.
    """

    feeds: Mapping[str, Recorded | Nested]
    outputs: Mapping[str, Recorded | Nested] = field(default_factory=dict)
    rtol: float = 1e-4
    where: str = "known outputs"


def merged(read: Mapping[str, Domain], stated: Mapping[str, Domain]) -> dict[str, Domain]:
    """Return what the graph says of the inputs, with what the user states in its place."""
    result = dict(read)
    for name, domain in stated.items():
        known = read.get(name, Domain())
        if domain.values is not None:
            known = replace(known, values=domain.values, landmarks=(), default=None, read_from="")
        result[name] = replace(
            known,
            shape=_stated_shape(known.shape, domain.shape),
            dtype=domain.dtype,
            distribution=domain.distribution or known.distribution,
            landmarks=domain.landmarks or known.landmarks,
            default=known.default if domain.default is None else domain.default,
        )
    axes = _stated_axes(read, stated)
    return {name: _with_axes(domain, axes) for name, domain in result.items()}


def _stated_axes(read: Mapping[str, Domain], stated: Mapping[str, Domain]) -> dict[str, int | Axis]:
    """Return what stands in the place of axes of the graph, by their names."""
    axes: dict[str, int | Axis] = {}
    for name, domain in stated.items():
        known = read.get(name, Domain()).shape
        if known is not None and domain.shape is not None and len(known) == len(domain.shape):
            for axis, size in zip(known, domain.shape, strict=True):
                if isinstance(axis, Axis) and size is not None:
                    axes.setdefault(axis.name, size)
    axes.update({axis.name: axis for domain in stated.values() for axis in axes_of(domain)})
    return axes


def _with_axes(domain: Domain, axes: Mapping[str, int | Axis]) -> Domain:
    """Return the domain with the axes that the user states, in every input that has them."""

    def stated(size: T) -> T | int | Axis:
        return axes.get(size.name, size) if isinstance(size, Axis) else size

    values = domain.values
    if isinstance(values, Sparse):
        values = replace(values, shape=tuple(map(stated, values.shape)))
    shape = None if domain.shape is None else tuple(map(stated, domain.shape))
    return replace(domain, shape=shape, values=values)


def _stated_shape(
    known: tuple[int | Axis | None, ...] | None, stated: tuple[int | Axis | None, ...] | None
) -> tuple[int | Axis | None, ...] | None:
    if stated is None:
        return known
    if known is None or len(known) != len(stated):
        return stated
    # A dimension that the user leaves open is what the graph says of it.
    return tuple(k if s is None else s for k, s in zip(known, stated, strict=True))


def axes_of(domain: Domain) -> tuple[Axis, ...]:
    """Return the axes of an input, those of the sparse tensor that it is part of included."""
    shape: tuple[int | Axis | None, ...] = domain.shape or ()
    if isinstance(domain.values, Sparse):
        shape = (*shape, *domain.values.shape)
    return tuple(dict.fromkeys(size for size in shape if isinstance(size, Axis)))


def format_sizes(sizes: tuple[int, ...]) -> str:
    """Return "1..8" for all whole numbers from 1 to 8, and "1, 7, 16" for some."""
    if len(sizes) > 2 and sizes == tuple(range(sizes[0], sizes[-1] + 1)):
        return f"{sizes[0]}..{sizes[-1]}"
    return ", ".join(map(str, sizes))
