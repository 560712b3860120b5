"""What a path is: a checkpoint, a SavedModel or a frozen graph. Looks at names, not into files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

from harness.errors import RequestError, nearest

Kind = Literal["checkpoint", "saved_model", "frozen"]

_CHECKPOINT_FILE = re.compile(r"^(?P<prefix>.+?)\.(meta|index|data-\d{5}-of-\d{5})$")
_SHARD = re.compile(r"\.data-(?P<number>\d{5})-of-(?P<count>\d{5})$")
_STATE_LINE = re.compile(r'^model_checkpoint_path:\s*"(?P<path>.*)"\s*$', re.MULTILINE)
_GRAPH_SUFFIXES = (".pb", ".pbtxt")


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where a model lies and what kind it is; `path` is a prefix, a folder or a file."""

    path: Path
    kind: Kind


def locate(path: str | Path, *, option: str = "--checkpoint") -> Location:
    """Return what `path` is; `option` is named in the error where it is nothing.

    Raises:
        RequestError: nothing is there, or nothing that is a model.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path, option)
    if path.is_file() and path.name in {"saved_model.pb", "saved_model.pbtxt"}:
        return Location(path=path.parent, kind="saved_model")
    if path.is_file() and path.suffix in _GRAPH_SUFFIXES:
        return Location(path=path, kind="frozen")
    if path.is_file() and path.name == "checkpoint":
        return _in_folder(path.parent, option)
    matched = _CHECKPOINT_FILE.match(path.name)
    if matched and path.is_file():
        path = path.with_name(matched["prefix"])
    if is_checkpoint(path):
        return Location(path=path, kind="checkpoint")
    if path.with_name(f"{path.name}.meta").is_file():
        return _without_data(path)
    raise RequestError(f"{option} {path}: no such checkpoint, SavedModel or .pb{_beside(path)}")


def is_checkpoint(prefix: Path) -> bool:
    """Say whether the files of a V1 or V2 checkpoint stand at `prefix`, complete or not."""
    return (
        prefix.with_name(f"{prefix.name}.index").is_file()
        or prefix.is_file()
        or any(_v1_shards(prefix))
    )


def missing_files(prefix: Path) -> list[str]:
    """Return the names of the data files that the checkpoint at `prefix` lacks."""
    if prefix.is_file() or any(_v1_shards(prefix)):
        return []
    present = [f for f in prefix.parent.glob(f"{_escaped(prefix.name)}.data-*") if f.is_file()]
    counts = {int(m["count"]) for f in present if (m := _SHARD.search(f.name))}
    count = max(counts, default=1)
    expected = [f"{prefix.name}.data-{i:05d}-of-{count:05d}" for i in range(count)]
    names = {file.name for file in present}
    return [name for name in expected if name not in names]


def _v1_shards(prefix: Path) -> list[Path]:
    return sorted(prefix.parent.glob(f"{_escaped(prefix.name)}-?????-of-?????"))


def _escaped(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)


def _in_folder(folder: Path, option: str) -> Location:
    if any((folder / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
        return Location(path=folder, kind="saved_model")
    state = folder / "checkpoint"
    if state.is_file():
        stated = _STATE_LINE.search(state.read_text(errors="replace"))
        if stated:
            # The state file often carries the absolute path of another machine: Windows' too.
            prefix = folder / PureWindowsPath(stated["path"]).name
            if is_checkpoint(prefix):
                return Location(path=prefix, kind="checkpoint")
    # A V1 checkpoint has no .index, and one without its .meta can be used with another's.
    files = [*folder.glob("*.index"), *folder.glob("*.meta")]
    found = [file for file in files if is_checkpoint(file.with_suffix(""))]
    if found:
        latest = max(found, key=lambda file: file.stat().st_mtime)
        return Location(path=latest.with_suffix(""), kind="checkpoint")
    raise RequestError(f"{option} {folder}: the folder holds no checkpoint and no SavedModel")


def _without_data(prefix: Path) -> Location:
    raise RequestError(
        f"--checkpoint {prefix}: there is {prefix.name}.meta but neither {prefix.name}.index nor "
        f"{prefix.name}.data-…: copy all files of the checkpoint"
    )


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f" ({path.parent} is no folder)"
    names = set()
    for entry in path.parent.iterdir():
        matched = _CHECKPOINT_FILE.match(entry.name)
        names.add(matched["prefix"] if matched else entry.name)
    return nearest(path.name, names)
