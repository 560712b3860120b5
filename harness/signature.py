"""The inputs and outputs of a model: tensor names, dtypes and partly unknown shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Shape = tuple[int | None, ...]
"""Sizes of the dimensions; None is an unknown size."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One tensor: `name` ("x", or "split:1" past the first output), dtype, and shape.

    `dtype` is TensorFlow's name for it ("float32", "bfloat16", "string"); `shape` is None where
    not even the rank is known.
    """

    name: str
    dtype: str
    shape: Shape | None

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {format_shape(self.shape)}"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The tensors that are fed and the tensors that are fetched, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __iter__(self) -> Iterator[TensorSpec]:
        yield from self.inputs
        yield from self.outputs

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the tensors that are fed."""
        return tuple(spec.name for spec in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the tensors that are fetched."""
        return tuple(spec.name for spec in self.outputs)


def format_shape(shape: Shape | None) -> str:
    """Return "[?, 28, 28, 3]", or "[...]" for an unknown rank."""
    if shape is None:
        return "[...]"
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def shape_accepts(shape: Shape | None, actual: tuple[int, ...]) -> bool:
    """Say whether a tensor of shape `actual` is one of those that `shape` stands for."""
    if shape is None:
        return True
    return len(shape) == len(actual) and all(
        size is None or size == found for size, found in zip(shape, actual, strict=True)
    )
