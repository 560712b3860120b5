"""From a signature to a hypothesis strategy of feeds.

Hypothesis draws what is small and worth shrinking: the shape, a distribution, a scale and a seed.
Unknown leading dimensions are one number, the batch; every other unknown dimension is drawn on its
own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import numpy.typing as npt

from harness.domain import Axis, Choices, Domain, Range, Value
from harness.errors import RequestError, nearest
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.values import DISTRIBUTIONS, SCALES, Recipe, fill
from harness.signature import Shape, Signature, TensorSpec, format_shape

Feeds = dict[str, npt.NDArray[Any]]

LARGEST_BATCH = 8
LARGEST_DIMENSION = 32
LARGEST_RANK = 3

_LONGEST = 40


def from_signature(
    signature: Signature, *, domains: Mapping[str, Domain] | None = None
) -> st.SearchStrategy[Feeds]:
    """Return a strategy of feeds by tensor name, for every input of `signature`.

    Raises:
        RequestError: a domain names no input or contradicts its shape or dtype; a dtype cannot
            be fed.
    """
    domains = dict(domains or {})
    for name in domains:
        if name not in signature.input_names:
            hint = nearest(name, signature.input_names)
            raise RequestError(f"input spec {name}: the model has no such input{hint}")
    for spec in signature.inputs:
        _check_values(spec, domains.get(spec.name, Domain()))
    inputs = [
        (
            spec.name,
            _narrowed(spec, domains.get(spec.name, Domain())),
            numpy_dtype(spec.dtype),
            domains.get(spec.name, Domain()),
        )
        for spec in signature.inputs
    ]
    has_batch = any(shape is not None and shape[:1] == (None,) for _, shape, _, _ in inputs)
    recipes = st.builds(
        Recipe,
        distribution=st.sampled_from(DISTRIBUTIONS),
        scale=st.sampled_from(SCALES),
        seed=st.integers(0, 2**32 - 1),
    )
    batches = st.integers(1, LARGEST_BATCH)

    @st.composite
    def feeds(draw: st.DrawFn) -> Feeds:
        batch = draw(batches) if has_batch else 1
        return {
            name: fill(
                _draw_shape(draw, shape, batch),
                dtype,
                recipe=draw(recipes),
                domain=domain,
            )
            for name, shape, dtype, domain in inputs
        }

    return feeds()


def describe(feeds: Mapping[str, npt.NDArray[Any]], *, most: int = 8) -> str:
    """Return feeds in a line: small arrays whole, large ones by dtype, shape and range."""
    return "; ".join(_described(name, value, most) for name, value in feeds.items())


def _described(name: str, value: npt.NDArray[Any], most: int) -> str:
    kind = f"{'string' if value.dtype == object else value.dtype} {format_shape(value.shape)}"
    if value.dtype == object and value.size <= most:
        items = ", ".join(_shortened(item) for item in value.reshape(-1))
        return f"{name} = [{items}] ({kind})"
    if value.size <= most:
        listed = np.array2string(value, separator=", ").replace("\n", "")
        return f"{name} = {listed} ({kind})"
    if value.dtype == object or value.dtype.kind == "c":
        return f"{name}: {kind}"
    low, high = value.min(), value.max()
    if value.dtype.kind == "V":  # bfloat16 and the like print in other ways by version
        low, high = float(low), float(high)
    return f"{name}: {kind}, {f'all {low}' if low == high else f'{low} to {high}'}"


def _shortened(item: bytes) -> str:
    # A string may be an encoded picture.
    return repr(item) if len(item) <= _LONGEST else f"{item[:_LONGEST]!r}… ({len(item):,} bytes)"


def _narrowed(spec: TensorSpec, domain: Domain) -> Shape | None:
    """Return the shape of `spec` with what `domain` says of its unknown dimensions."""
    if domain.shape is None:
        return spec.shape
    stated_shape = tuple(None if isinstance(size, Axis) else size for size in domain.shape)
    if spec.shape is None:
        return stated_shape
    fits = len(spec.shape) == len(domain.shape) and all(
        known is None or stated is None or known == stated
        for known, stated in zip(spec.shape, stated_shape, strict=True)
    )
    if not fits:
        raise RequestError(
            f"input spec {spec.name}: shape {format_shape(stated_shape)} contradicts the "
            f"model's {format_shape(spec.shape)}"
        )
    return tuple(
        known if stated is None else stated
        for known, stated in zip(spec.shape, stated_shape, strict=True)
    )


def _check_values(spec: TensorSpec, domain: Domain) -> None:
    dtype = numpy_dtype(spec.dtype)
    stated: tuple[Value, ...] = ()
    if isinstance(domain.values, Range):
        stated = (domain.values.low, domain.values.high)
    if isinstance(domain.values, Choices):
        stated = domain.values.values
    for value in stated:
        if not _is_value_of(dtype, value):
            raise RequestError(f"input spec {spec.name}: {value!r} is no value of {spec.dtype}")


def _is_value_of(dtype: np.dtype[Any], value: Value) -> bool:
    if dtype.kind == "O" or isinstance(value, (str, bytes)):
        return dtype.kind == "O" and isinstance(value, (str, bytes))
    if dtype.kind == "b":
        return value in {0, 1}
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min <= value <= limits.max and value == int(value)
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    return not largest < abs(value) < math.inf  # infinities and NaN are values


def _draw_shape(draw: st.DrawFn, shape: Shape | None, batch: int) -> tuple[int, ...]:
    if shape is None:
        rank = draw(st.integers(0, LARGEST_RANK))
        return tuple(draw(st.integers(1, LARGEST_BATCH)) for _ in range(rank))
    return tuple(
        size
        if size is not None
        else batch
        if axis == 0
        else draw(st.integers(1, LARGEST_DIMENSION))
        for axis, size in enumerate(shape)
    )
