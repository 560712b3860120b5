"""`freezeproof.json`: what an export is, for programs and for whoever finds the folder in a year.

    {"schema": 1, "freezeproof": "…", "tensorflow": "…", "python": "…",
     "input_type": "image_tensor", "method": "direct", "collection": "inference_op",
     "signature": {"inputs": [{"name": "…", "dtype": "uint8", "shape": [null, null, null, 3]}],
                   "outputs": […]},
     "source": {"path": "…", "digest": "…", "digest_of": "files", "moving_averages": true,
                "without_average": ["…"]},
     "verified": {"verdict": "equivalent", "proved": true},
     "files": {"frozen_inference_graph.pb": {"bytes": 236256, "sha256": "…"}, …}}

`input_type` is null where the graph is the checkpoint's own, `verified` where nothing was verified.
In a shape, null is any size; the shape is null where not even the rank is known. `digest_of` is
"index and sizes" of a source too large to be read for it. `files` are all others of the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BrokenModel, file_error
from harness.exporting.layout import MANIFEST
from harness.signature import Signature, TensorSpec
from harness.wheel import tensorflow_version

SCHEMA = 1

_PIECE = 2**20


@dataclass(frozen=True, kw_only=True)
class Source:
    """What was exported: a training checkpoint, by the digest of its files."""

    path: str
    digest: str
    digest_of: str
    moving_averages: bool = False
    without_average: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What the harness found of the export before it was put in its place."""

    verdict: str
    proved: bool


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """A file of the export."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an export is."""

    signature: Signature
    source: Source
    method: str
    collection: str
    input_type: str | None = None
    verified: Verified | None = None
    files: Mapping[str, FileDigest] = field(default_factory=dict)


def files_in(folder: Path) -> list[str]:
    """Return the paths in `folder` of all that is no folder itself; links are not followed."""
    return sorted(
        (Path(where) / name).relative_to(folder).as_posix()
        for where, folders, files in os.walk(folder)
        for name in (*files, *(each for each in folders if (Path(where) / each).is_symlink()))
    )


def digests_of(folder: Path) -> dict[str, FileDigest]:
    """Return the digest of each file in `folder` but the manifest, by its path there."""
    return {name: _digest(folder / name) for name in files_in(folder) if name != MANIFEST}


def as_json(manifest: Manifest, *, freezeproof: str) -> dict[str, Any]:
    """Return the manifest as it stands in the file; `freezeproof` is the version that wrote it."""
    return {
        "schema": SCHEMA,
        "freezeproof": freezeproof,
        "tensorflow": tensorflow_version(),
        "python": platform.python_version(),
        "input_type": manifest.input_type,
        "method": manifest.method,
        "collection": manifest.collection,
        "signature": asdict(manifest.signature),
        "source": asdict(manifest.source),
        "verified": asdict(manifest.verified) if manifest.verified else None,
        "files": {name: asdict(digest) for name, digest in manifest.files.items()},
    }


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest into the folder that it describes."""
    from harness import __version__

    text = json.dumps(as_json(manifest, freezeproof=__version__), indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the export in `folder`.

    Raises:
        BrokenModel: there is none, or it is damaged, or of a newer version of this program.
    """
    path = folder / MANIFEST
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrokenModel(file_error(error)) from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise BrokenModel(f"{path}: this is no manifest of an export: {error}") from error
    schema = written.get("schema") if isinstance(written, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise BrokenModel(f"{path}: it has schema {schema}, and {SCHEMA} is the newest known here")
    try:
        return _manifest(written)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenModel(
            f"{path}: this is no manifest of an export: {type(error).__name__}: {error}"
        ) from error


def _manifest(written: Mapping[str, Any]) -> Manifest:
    source = written["source"]
    verified = written["verified"]
    return Manifest(
        signature=Signature(
            inputs=tuple(map(_spec, written["signature"]["inputs"])),
            outputs=tuple(map(_spec, written["signature"]["outputs"])),
        ),
        source=Source(**{**source, "without_average": tuple(source["without_average"])}),
        method=written["method"],
        collection=written["collection"],
        input_type=written["input_type"],
        verified=Verified(**verified) if verified is not None else None,
        files={name: FileDigest(**digest) for name, digest in written["files"].items()},
    )


def _spec(written: Mapping[str, Any]) -> TensorSpec:
    shape = written["shape"]
    return TensorSpec(
        name=written["name"],
        dtype=written["dtype"],
        shape=tuple(shape) if shape is not None else None,
    )


def _digest(path: Path) -> FileDigest:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            state.update(piece)
    return FileDigest(bytes=path.stat().st_size, sha256=state.hexdigest())
