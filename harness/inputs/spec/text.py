"""Domains written as an input-spec file, which `spec` reads back: for a user to edit.

`read_from` and `refused_by` become comments. Where the signature is known, what is open is shown as
lines that only lack their keys' being taken out of the comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.domain import (
    Axis,
    Choices,
    Column,
    Domain,
    Examples,
    Feature,
    Lengths,
    NewShape,
    NumberTexts,
    Phase,
    Pictures,
    Range,
    Recorded,
    Records,
    SizeOf,
    Sounds,
    Sparse,
    Values,
    axes_of,
)
from harness.inputs.spec.toml_text import key_text, value_text
from harness.inputs.values import DISTRIBUTIONS
from harness.signature import Shape, Signature, TensorSpec

Keys = dict[str, Any]
"""What stands in a table."""


def spec_text(
    domains: Mapping[str, Domain], *, signature: Signature | None = None, model: str = ""
) -> str:
    """Return the text of a file that states `domains`; with a signature, more of it in comments."""
    parts = [_introduction(model)] if model else []
    parts += [_axis(axis) for axis in _axes(domains)]
    specs = {spec.name: spec for spec in signature.inputs} if signature else {}
    for name, domain in domains.items():
        together = _together_with(name, domains)
        parts.append("\n".join(_input(name, domain, specs, together)))
    if signature is not None:
        parts.append("\n".join(map(_comment, _known(signature))))
    return "\n\n".join(parts) + "\n" if parts else ""


def _introduction(model: str) -> str:
    lines = (
        f"What the inputs of {model} accept, as far as the graph says it.",
        "Change what is wrong, take the # away from what is missing, and give this file with",
        "--input-spec. A size of -1 is any size; axes of one name have one size in an example.",
    )
    return "\n".join(map(_comment, lines))


def _axes(domains: Mapping[str, Domain]) -> list[Axis]:
    """Return the axes, each once, with those sizes that every input takes."""
    found: dict[str, Axis] = {}
    for domain in domains.values():
        for axis in axes_of(domain):
            known = found.setdefault(axis.name, axis)
            sizes = tuple(size for size in known.sizes if size in axis.sizes)
            refused_by = known.refused_by or axis.refused_by
            found[axis.name] = replace(known, sizes=sizes or known.sizes, refused_by=refused_by)
    return list(found.values())


def _axis(axis: Axis) -> str:
    why = f"some other sizes are refused by {axis.refused_by}"
    lines = [_comment(why)] if axis.refused_by else []
    low, high = axis.sizes[0], axis.sizes[-1]
    is_range = len(axis.sizes) > 2 and axis.sizes == tuple(range(low, high + 1))
    keys: dict[str, tuple[int, ...]] = {"sizes": axis.sizes}
    if is_range:
        keys = {"range": (low, high)}
    if axis.once:
        keys["once"] = axis.once
    return "\n".join([*lines, *_table(("axes", axis.name), keys)])


def _input(
    name: str, domain: Domain, specs: Mapping[str, TensorSpec], together: str
) -> Iterator[str]:
    """Write the table of an input, its tables within at the end."""
    spec = specs.get(name)
    said = [f"{spec.dtype} {_shape_text(spec.shape)}"] if spec else []
    said += [f"drawn together with {together}"] if together else []
    said += [f"read from {domain.read_from}"] if domain.read_from else []
    if said:
        yield _comment("; ".join(said))
    values = _keys_of(domain.values)
    within = {key: values.pop(key) for key in _WITHIN if values.get(key)}
    yield from _table(("inputs", name), {**_keys(domain), **values})
    if spec is not None and domain.shape is None:
        yield _comment(f"shape = {value_text(_sizes(_shape_to_edit(spec)))}")
    if spec is not None and domain.values is None and not together:
        yield from map(_comment, _open_values(spec, _sequences(specs, name)))
    for key, inner in within.items():
        for path, keys in _tables_within(("inputs", name, key), inner):
            yield ""
            yield from _table(path, keys)


_WITHIN = ("csv", "example", "feature_lists")
"""Keys whose values are too long for a line."""


def _tables_within(path: tuple[str, ...], inner: Keys) -> Iterator[tuple[tuple[str, ...], Keys]]:
    if path[-1] == "csv":
        yield path, inner
    else:
        yield from (((*path, name), keys) for name, keys in inner.items())


def _table(path: tuple[str, ...], keys: Keys) -> Iterator[str]:
    yield f"[{'.'.join(map(key_text, path))}]"
    for key, value in keys.items():
        if key == "columns":
            yield "columns = ["
            yield from (f"    {value_text(column)}," for column in value)
            yield "]"
        else:
            yield f"{key} = {value_text(value)}"


def _comment(text: str) -> str:
    # A line end in a node's name would end the comment.
    return f"# {''.join(c if c.isprintable() else '?' for c in text)}"


def _keys(domain: Domain) -> Keys:
    """Return what is said of an input beside its values."""
    said: Keys = {
        "dtype": domain.dtype or None,
        "shape": None if domain.shape is None else _sizes(domain.shape),
        "distribution": domain.distribution or None,
        "landmarks": domain.landmarks or None,
        "default": domain.default,
    }
    return {key: value for key, value in said.items() if value is not None}


def _sizes(shape: Iterable[int | Axis | None]) -> list[int | str]:
    return [-1 if s is None else s.name if isinstance(s, Axis) else s for s in shape]


def _shape_text(shape: Shape | None) -> str:
    return "of unknown rank" if shape is None else value_text(_sizes(shape))


def _shape_to_edit(spec: TensorSpec) -> Shape:
    """Return the shape of an input or, where nothing is known of it, one like those of others."""
    if spec.shape is not None:
        return spec.shape
    return (None, 28, 28, 3) if spec.dtype in {"float32", "uint8"} else (None,)


def _together_with(name: str, domains: Mapping[str, Domain]) -> str:
    """Return the input whose indices of a sparse tensor `name` is drawn with, or ""."""
    for indices, domain in domains.items():
        sparse = domain.values
        if isinstance(sparse, Sparse) and name in {sparse.values, sparse.dense_shape}:
            return indices
    return ""


def _keys_of(values: Values | None) -> Keys:
    """Return the keys by which the values are stated."""
    return {} if values is None else _WRITERS[type(values)](values)


def _choices(choices: Choices) -> Keys:
    if len(choices.values) == 1:
        return {"constant": choices.values[0]}
    return {"choices": choices.values}


def _recorded(recorded: Recorded) -> Keys:
    key = {"key": recorded.key} if recorded.key else {}
    return {"file": str(recorded.path), **key}


def _lengths(lengths: Lengths) -> Keys:
    over = {} if lengths.divisor == 1 else {"divided_by": lengths.divisor}
    return {"lengths_of": lengths.of, "axis": lengths.axis, **over}


def _sparse(sparse: Sparse) -> Keys:
    dense_shape = {"dense_shape": sparse.dense_shape} if sparse.dense_shape else {}
    return {"sparse": {"values": sparse.values, **dense_shape, "shape": _sizes(sparse.shape)}}


def _pictures(pictures: Pictures) -> Keys:
    return {
        "pictures": {
            "formats": pictures.formats,
            "channels": pictures.channels,
            "heights": pictures.heights,
            "widths": pictures.widths,
        }
    }


def _records(records: Records) -> Keys:
    keys: Keys = {"columns": [_field(column) for column in records.columns]}
    if records.delimiter != ",":
        keys["delimiter"] = records.delimiter
    if not records.quotes:
        keys["quotes"] = False
    return {"csv": keys}


def _examples(examples: Examples) -> Keys:
    features = {name: _field(each) for name, each in examples.features.items()}
    lists = {name: _field(each) for name, each in examples.feature_lists.items()}
    return {"example": features, **({"feature_lists": lists} if lists else {})}


def _field(field: Column | Feature) -> Keys:
    shape = field.shape if isinstance(field, Feature) else None
    return {
        "dtype": field.dtype,
        **({} if shape is None else {"shape": _sizes(shape)}),
        **({} if field.required else {"required": False}),
        **_keys_of(field.values),
    }


_WRITERS: Mapping[type, Callable[[Any], Keys]] = {
    Range: lambda values: {"range": (values.low, values.high)},
    Choices: _choices,
    Phase: lambda values: {"phase": {"inference": values.inference, "training": values.training}},
    Recorded: _recorded,
    Lengths: _lengths,
    SizeOf: lambda values: {"size_of": values.of, "axis": values.axis},
    Sparse: _sparse,
    Pictures: _pictures,
    Sounds: lambda values: {"sound": {"channels": values.channels, "samples": values.samples}},
    NumberTexts: lambda values: {"numbers": values.dtype},
    Records: _records,
    Examples: _examples,
    NewShape: lambda _: {"new_shape": True},
}


def _sequences(specs: Mapping[str, TensorSpec], name: str) -> list[str]:
    """Return the inputs whose lengths another input may hold."""
    ranks = {n: 2 if s.shape is None else len(s.shape) for n, s in specs.items() if n != name}
    return [other for other, rank in ranks.items() if rank > 1]


def _open_values(spec: TensorSpec, sequences: list[str]) -> Iterator[str]:
    """Write what could be stated of values that nothing is known of."""
    if spec.dtype == "string":
        yield 'choices = ["a", "b"]'
        yield 'pictures = { formats = ["png", "jpeg"], channels = 3 }'
        yield "sound = { channels = 1, samples = [16000] }"
        yield 'numbers = "float32"'
        yield 'csv = { columns = [{ dtype = "float32" }, { dtype = "string" }] }'
        yield 'example = { NAME = { dtype = "float32", shape = [1] } }'
        yield 'file = "FOLDER"'
        return
    if spec.dtype == "bool":
        yield "constant = false"
        yield "phase = { inference = false, training = true }"
    elif spec.dtype.startswith(("int", "uint")):
        yield "range = [0, 9]"
        yield "constant = 1"
        if sequences and (spec.shape is None or len(spec.shape) == 1):
            yield f"lengths_of = {value_text(sequences[0])}"
            yield "axis = 1"
    elif not spec.dtype.startswith("complex"):
        yield "range = [0.0, 1.0]"
        yield f'distribution = "normal"  # of {", ".join(DISTRIBUTIONS)}'
        yield "constant = 1.0"
    yield 'file = "FILE.npy"'


def _known(signature: Signature) -> Iterator[str]:
    yield "Feeds whose outputs you know are held against what the model computes:"
    yield "[[known_outputs]]"
    for key, names in (("feeds", signature.input_names), ("outputs", signature.output_names)):
        files = {name: f"{re.sub('[^A-Za-z0-9]+', '_', name)}.npy" for name in names}
        yield f"{key} = {value_text(files)}"
