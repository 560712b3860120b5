"""A digest of the files of a model, by which it is seen that they were changed."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.locate import checkpoint_files, locate, locate_candidate, meta_file

LARGEST = 2 * 2**30
"""So many bytes are read through for a digest."""

_PIECE = 2**20


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A digest of files, by which it is seen that they were changed.

    `of` is "files"; or "index and sizes" of a model too large to be read for it.
    """

    digest: str
    of: str


def fingerprint_of_reference(path: Path, meta_graph: Path | None = None) -> Fingerprint:
    """Return the fingerprint of all files that make up a reference.

    Raises:
        RequestError, OSError: it is not there.
    """
    location = locate(path)
    if location.kind != "checkpoint":
        return _fingerprint(location.path)
    graph = meta_graph or meta_file(location.path)
    files = [*checkpoint_files(location.path), *([graph] if graph.is_file() else [])]
    return _fingerprint_of_files(tuple(files))


def fingerprint_of_candidate(path: Path) -> Fingerprint:
    """Return the fingerprint of a .pb or of all files of a SavedModel.

    Raises:
        RequestError, OSError: it is not there.
    """
    return _fingerprint(locate_candidate(path).path)


def _fingerprint(path: Path) -> Fingerprint:
    if path.is_file():
        return _fingerprint_of_files((path,))
    files = tuple(sorted(file for file in path.rglob("*") if file.is_file()))
    return _fingerprint_of_files(files, folder=path)


def _fingerprint_of_files(files: tuple[Path, ...], folder: Path | None = None) -> Fingerprint:
    # Of a file its name does not count, which a copy has otherwise; in a folder it does.
    names = tuple(str(file.relative_to(folder)) if folder else file.suffix for file in files)
    stats = tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _digest(files, names, stats)


@functools.lru_cache(maxsize=64)
def _digest(
    files: tuple[Path, ...], names: tuple[str, ...], stats: tuple[tuple[int, int], ...]
) -> Fingerprint:
    """Return the fingerprint of files whose sizes and times are `stats`: read once in a run."""
    sizes = [size for size, _ in stats]
    is_large = sum(sizes) > LARGEST
    state = hashlib.blake2b(digest_size=16)
    for file, name, size in zip(files, names, sizes, strict=True):
        state.update(f"{name}\0{size}\0".encode())
        if not is_large or file.suffix in {".index", ".meta"}:
            with file.open("rb") as opened:
                while piece := opened.read(_PIECE):
                    state.update(piece)
    return Fingerprint(digest=state.hexdigest(), of="index and sizes" if is_large else "files")
