"""What an export left behind, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import listed
from harness.exporting.layout import CHECKPOINT, FROZEN_GRAPH, SAVED_MODEL, VERIFICATION
from harness.exporting.manifest import Manifest, Source, Verified
from harness.signature import TensorSpec
from harness.verdict import Verdict

_LISTED = 3


def render_export(manifest: Manifest, folder: Path) -> str:
    """Return the lines: where it is, what it takes and gives, how it was made, if it was proved."""
    signature, source = manifest.signature, manifest.source
    rows = [
        (FROZEN_GRAPH, f"{_size(manifest, FROZEN_GRAPH)}, frozen by {manifest.method}"),
        (SAVED_MODEL, f"{_size(manifest, SAVED_MODEL)}, signature serving_default"),
        (f"{CHECKPOINT}.*", _size(manifest, CHECKPOINT)),
    ]
    if manifest.verified is not None:
        rows.append((VERIFICATION, _verified(manifest.verified)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [
            f"exported {folder}",
            *_tensors("inputs", signature.inputs),
            *_tensors("outputs", signature.outputs),
            f"  values:  {source.path}{', moving averages' if source.moving_averages else ''}",
            *_without_average(source),
            *(f"  {name:{width}}  {said}" for name, said in rows),
            *([] if manifest.verified else ["  not verified"]),
        ]
    )


def _tensors(what: str, specs: Sequence[TensorSpec]) -> list[str]:
    """Return a line for each tensor: names of some models are long, and there are many."""
    said = [str(spec) for spec in specs] or ["none"]
    return [f"  {f'{what}:' if not at else '':8} {each}" for at, each in enumerate(said)]


def _verified(found: Verified) -> str:
    if found.verdict == Verdict.SUSPICIOUS:
        return f"{found.verdict}: it agrees, and a warning stands"
    return f"{found.verdict}{', proved' if found.proved else ''}"


def _without_average(source: Source) -> list[str]:
    names = listed(source.without_average, limit=_LISTED)
    return [f"           raw values, having no average: {names}"] if names else []


def _size(manifest: Manifest, start: str) -> str:
    total = sum(digest.bytes for name, digest in manifest.files.items() if name.startswith(start))
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if total >= factor:
            return f"{total / factor:.1f} {unit}"
    return f"{total} bytes"
