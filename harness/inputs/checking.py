"""Does the dtype of an input hold the values that its domain states?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.domain import (
    Choices,
    Domain,
    Examples,
    Lengths,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Records,
    SizeOf,
    Sounds,
    Sparse,
    Value,
)
from harness.errors import RequestError, nearest
from harness.inputs.distributions import DISTRIBUTIONS
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.specials import largest_finite, part_type
from harness.signature import Signature, TensorSpec, format_shape

_STRINGS = (Pictures, Sounds, NumberTexts, Records, Examples)
_WHOLE = (Lengths, SizeOf, NewShape)


def check_domains(signature: Signature, domains: Mapping[str, Domain]) -> None:
    """Check that every domain is one of an input, and that the input can hold its values.

    Raises:
        RequestError: it is not; or a dtype cannot be fed.
    """
    for name in domains:
        if name not in signature.input_names:
            hint = nearest(name, signature.input_names)
            raise RequestError(f"input spec {name}: the model has no such input{hint}")
    for spec in signature.inputs:
        domain = domains.get(spec.name, Domain())
        _check_dtype(spec, domain)
        _check_kind(spec, domain)
        _check_numbers(spec, domain)
        _check_distribution(spec, domain)
        _check_others(spec, domain, signature)


def _check_dtype(spec: TensorSpec, domain: Domain) -> None:
    numpy_dtype(spec.dtype)
    if domain.dtype and domain.dtype != spec.dtype:
        raise RequestError(
            f"input spec {spec.name}: dtype {domain.dtype} contradicts the model's {spec.dtype}: "
            f"leave it out, or cut the graph elsewhere with --inputs"
        )


def _check_kind(spec: TensorSpec, domain: Domain) -> None:
    values, kind = domain.values, numpy_dtype(spec.dtype).kind
    holds = ""
    if isinstance(values, _STRINGS) and kind != "O":
        holds = "a string"
    elif isinstance(values, _WHOLE) and kind not in "iu":
        holds = "an integer"
    elif isinstance(values, Sparse) and spec.dtype != "int64":
        holds = "int64"
    if holds:
        raise RequestError(
            f"input spec {spec.name}: an input with values from {values} should be {holds}, "
            f"and is {spec.dtype}: state values of another kind"
        )
    if isinstance(values, Sparse) and spec.shape is not None:
        rank = len(values.shape)
        if len(spec.shape) != 2 or spec.shape[1] not in {None, rank}:
            raise RequestError(
                f"input spec {spec.name}: indices of a sparse tensor of rank {rank} have the shape "
                f"[?, {rank}], and the model's is {format_shape(spec.shape)}"
            )


def _check_numbers(spec: TensorSpec, domain: Domain) -> None:
    values = domain.values
    stated: tuple[Value, ...] = ()
    if isinstance(values, Range):
        stated = (values.low, values.high)
    if isinstance(values, Choices):
        stated = values.values
        if not stated:
            raise RequestError(f"input spec {spec.name}: there are no choices: state one")
    if isinstance(values, Phase):
        stated = (values.inference, values.training)
    if domain.default is not None:
        stated = (*stated, domain.default)
    dtype = numpy_dtype(spec.dtype)
    for value in stated:
        if not _is_value_of(dtype, value):
            raise RequestError(
                f"input spec {spec.name}: {_shortened(value)} is no value of {spec.dtype}, which "
                f"holds {_held_by(dtype)}"
            )
    if isinstance(values, Range) and not (
        values.low <= values.high and math.isfinite(values.low) and math.isfinite(values.high)
    ):
        raise RequestError(
            f"input spec {spec.name}: the range {values} should have two finite ends, the lower "
            f"one first"
        )


def _check_distribution(spec: TensorSpec, domain: Domain) -> None:
    if not domain.distribution:
        return
    if domain.distribution not in DISTRIBUTIONS:
        there_are = f"; there are {', '.join(DISTRIBUTIONS)}"
        hint = nearest(domain.distribution, DISTRIBUTIONS)
        raise RequestError(
            f"input spec {spec.name}: there is no distribution {domain.distribution}"
            f"{hint or there_are}"
        )
    if numpy_dtype(spec.dtype).kind == "O":
        raise RequestError(
            f"input spec {spec.name}: the distribution {domain.distribution} is one of numbers, "
            f"and the input is string: state choices"
        )


def _check_others(spec: TensorSpec, domain: Domain, signature: Signature) -> None:
    """Check the inputs that a domain names beside its own."""
    values = domain.values
    named: tuple[str, ...] = ()
    if isinstance(values, (Lengths, SizeOf)):
        named = (values.of,)
    if isinstance(values, Sparse):
        named = (values.values, *filter(None, [values.dense_shape]))
    shapes = {each.name: each.shape for each in signature.inputs}
    for name in named:
        if name not in shapes:
            raise RequestError(
                f"input spec {spec.name}: {values} names {name}, which is no input"
                f"{nearest(name, shapes)}"
            )
        if name == spec.name:
            raise RequestError(
                f"input spec {spec.name}: {values} names the input itself: name another"
            )
    if isinstance(values, (Lengths, SizeOf)):
        shape = shapes[values.of]
        if shape is not None and not 0 <= values.axis < len(shape):
            raise RequestError(
                f"input spec {spec.name}: {values.of} has no axis {values.axis}: its shape is "
                f"{format_shape(shape)}, whose first axis is 0"
            )


def _is_value_of(dtype: np.dtype[Any], value: Value) -> bool:
    if dtype.kind == "O" or isinstance(value, (str, bytes)):
        return dtype.kind == "O" and isinstance(value, (str, bytes))
    if dtype.kind == "b":
        return value in {0, 1}
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min <= value <= limits.max and value == int(value)
    # Infinities and NaN are values.
    return not largest_finite(part_type(dtype)) < abs(value) < math.inf


def _held_by(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "O":
        return "strings"
    if dtype.kind == "b":
        return "false and true"
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return f"the whole numbers from {limits.min} to {limits.max}"
    return f"numbers up to {largest_finite(part_type(dtype)):.6g}"


def _shortened(value: Value) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
