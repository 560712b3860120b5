"""Feeds whose outputs are known: does the reference still give them?

What a user has from before the export, or from whoever published the model, is evidence that no
comparison of two graphs gives: reference and candidate may be wrong alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from harness.criteria import Array, Close, compare
from harness.domain import KnownOutputs, Nested, Recorded
from harness.errors import Rejected, RequestError, TimedOut, nearest
from harness.inputs.dtypes import numpy_dtype
from harness.inputs.recorded import converted, load
from harness.memo import Run
from harness.signature import Signature, TensorSpec, format_shape, shape_accepts


def feeds_of(known: KnownOutputs, signature: Signature) -> dict[str, Array]:
    """Return the feeds as arrays, in the order of the signature.

    Raises:
        RequestError: an input is missing, or none of the model's, or its file or value does not
            fit it.
    """
    _check_names(known.feeds, signature.input_names, known, "feeds", "input")
    for name in signature.input_names:
        if name not in known.feeds:
            raise RequestError(f"{known.where}: feeds lacks {name}, which is an input of the model")
    return {spec.name: _array(known.feeds[spec.name], spec, known) for spec in signature.inputs}


def check_stated(known: KnownOutputs, signature: Signature) -> None:
    """Look at what is stated, before anything is run.

    Raises:
        RequestError: as `feeds_of`, and of outputs alike.
    """
    feeds_of(known, signature)
    _expected(known, signature)


def check_known(run: Run, known: KnownOutputs, signature: Signature) -> str | None:
    """Return how the outputs of `run` differ from what is known, in one sentence, or None.

    Raises:
        RequestError: as `feeds_of`, and of outputs alike.
    """
    feeds = feeds_of(known, signature)
    expected = _expected(known, signature)
    try:
        actual = run(feeds)
    except Rejected as rejection:
        return f"{known.where}: the model rejects the feeds: {rejection}"
    except TimedOut as error:
        return f"{known.where}: {error}"
    criterion = Close(rtol=known.rtol)
    found = {name: compare(expected[name], actual[name], criterion=criterion) for name in expected}
    said = [difference.describe(name) for name, difference in found.items() if difference]
    return f"{known.where}: {'; '.join(said)}" if said else None


def _expected(known: KnownOutputs, signature: Signature) -> dict[str, Array]:
    _check_names(known.outputs, signature.output_names, known, "outputs", "output")
    specs = [spec for spec in signature.outputs if spec.name in known.outputs]
    return {spec.name: _array(known.outputs[spec.name], spec, known) for spec in specs}


def _check_names(
    stated: Mapping[str, Any],
    names: Collection[str],
    known: KnownOutputs,
    key: str,
    word: str,
) -> None:
    for name in stated:
        if name not in names:
            hint = nearest(name, names) or f"; there are {', '.join(names)}"
            raise RequestError(f"{known.where}: {key} names {name}, which is no {word}{hint}")


def _array(given: Recorded | Nested, spec: TensorSpec, known: KnownOutputs) -> Array:
    where = f"{known.where}: {spec.name}"
    if isinstance(given, Recorded):
        array, where = load(given), f"{where} {given}"
    else:
        array = _stated(given)
    array = converted(array, numpy_dtype(spec.dtype), where=where)
    if array.ndim == 0 and spec.shape is not None and len(spec.shape) == 1:
        array = array.reshape(1)
    if not shape_accepts(spec.shape, array.shape):
        raise RequestError(
            f"{where}: the array is {format_shape(array.shape)}, and the model's "
            f"{format_shape(spec.shape)}"
        )
    return array


def _stated(given: Nested) -> Array:
    """Return nested tuples as an array; of strings, one of objects, which keeps zero bytes."""
    if _has_strings(given):
        array = np.array(given, dtype=object)
        return np.asarray(np.frompyfunc(_encoded, 1, 1)(array), dtype=object).reshape(array.shape)
    return np.array(given)


def _has_strings(given: Nested) -> bool:
    if isinstance(given, tuple):
        return any(map(_has_strings, given))
    return isinstance(given, (str, bytes))


def _encoded(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
