"""What a path is: a checkpoint, a SavedModel or a frozen graph.

Names tell it. Only a file with a name that tells nothing is looked into: it may be a checkpoint of
one file, a graph under a name of its own, or a file that people take for either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

from harness.errors import RequestError, nearest
from harness.misfit import is_graph, is_table, is_text, misfit, other_format, read_head, stand_in

Kind = Literal["checkpoint", "saved_model", "frozen"]

PATTERN_MARKS = frozenset("*?[]")
"""TensorFlow takes a path with one of these for a pattern, and may read other files."""

_CHECKPOINT_FILE = re.compile(r"^(?P<prefix>.+?)\.(meta|index|data-\d{5}-of-\d{5})$")
_NUMBER = re.compile(r"-\d{5}-of-(?P<count>\d{5})$")
_STATE_LINE = re.compile(r'^model_checkpoint_path:\s*"(?P<path>.*)"\s*$', re.MULTILINE)
_GRAPH_SUFFIXES = (".pb", ".pbtxt")
_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


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
    if path.is_file():
        return _file(path, option)
    return _at_prefix(path, option)


def is_saved_model(folder: Path) -> bool:
    """Say whether `folder` holds the graph of a SavedModel."""
    return any((folder / name).is_file() for name in _SAVED_MODEL_FILES)


def locate_candidate(path: str | Path) -> Location:
    """Return what `path` is, a file or SavedModel that claims to be the model.

    Raises:
        RequestError: nothing is there, or a checkpoint.
    """
    location = locate(path, option="--frozen")
    if location.kind == "checkpoint":
        raise RequestError(f"--frozen {path}: a checkpoint is no candidate; give a .pb")
    return location


def is_checkpoint(prefix: Path) -> bool:
    """Say whether the files of a V1 or V2 checkpoint stand at `prefix`, complete or not."""
    return bool(checkpoint_files(prefix))


def checkpoint_files(prefix: Path) -> list[Path]:
    """Return the files with values of the checkpoint at `prefix`, without its .meta.

    Of V2: the .index, if it is there, before the data files. Of V1: one file, or several.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    shards = _numbered(f"{prefix.name}.data", prefix.parent)
    if index.is_file():
        return [index, *shards]
    if prefix.is_file():
        return [prefix]
    # "model.ckpt.data" is no prefix of V1's, although the name of V2's data file goes on alike.
    is_cut_name = prefix.name.endswith(".data")
    return shards or ([] if is_cut_name else _numbered(prefix.name, prefix.parent))


def missing_files(prefix: Path) -> list[str]:
    """Return the names of the files with values that the checkpoint at `prefix` lacks."""
    names = [file.name for file in checkpoint_files(prefix)]
    if names == [prefix.name]:
        return []
    index = f"{prefix.name}.index"
    shards = [name for name in names if name != index]
    start = _NUMBER.sub("", shards[0]) if shards else f"{prefix.name}.data"
    counts = sorted({int(matched["count"]) for s in shards if (matched := _NUMBER.search(s))})
    lacking: list[str] = []
    for count in counts or [1]:
        expected = [f"{start}-{i:05d}-of-{count:05d}" for i in range(count)]
        lacking = [name for name in expected if name not in shards]
        if not lacking:
            break  # files of another number were left by an earlier save
    needs_index = start != prefix.name and index not in names
    return [*lacking, *([index] if needs_index else [])]


def _numbered(start: str, folder: Path) -> list[Path]:
    found = folder.glob(f"{_escaped(start)}-?????-of-?????")
    return sorted(file for file in found if file.is_file() and _NUMBER.search(file.name))


def meta_file(prefix: Path) -> Path:
    """Return where the graph of the checkpoint at `prefix` stands, if nobody says otherwise."""
    return prefix.with_name(f"{prefix.name}.meta")


def _file(path: Path, option: str) -> Location:
    if path.name in _SAVED_MODEL_FILES:
        return Location(path=path.parent, kind="saved_model")
    if path.suffix in _GRAPH_SUFFIXES:
        return Location(path=path, kind="frozen")
    if path.name == "checkpoint":
        return _in_folder(path.parent, option)
    matched = _CHECKPOINT_FILE.match(path.name)
    return _at_prefix(path.with_name(matched["prefix"]) if matched else path, option)


def _at_prefix(path: Path, option: str) -> Location:
    files = checkpoint_files(path)
    if files == [path]:
        return _single_file(path, option)
    if files:
        return Location(path=path, kind="checkpoint")
    if meta_file(path).is_file():
        return _without_data(path, option)
    raise RequestError(f"{option} {path}: no such checkpoint, SavedModel or .pb{_beside(path)}")


def _single_file(path: Path, option: str) -> Location:
    """Return what a file is whose name does not tell.

    Raises:
        RequestError: it is of a format that is no model.
    """
    if not is_table(path) and not stand_in(path):
        if is_graph(path):
            return Location(path=path, kind="frozen")
        other = other_format(path)
        if not other and is_text(read_head(path)):
            other = f"{path} is a text file, and no checkpoint, SavedModel or .pb"
        if other:
            raise RequestError(f"{option} {other}")
    return Location(path=path, kind="checkpoint")


def _escaped(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)


def _in_folder(folder: Path, option: str) -> Location:
    if is_saved_model(folder):
        return Location(path=folder, kind="saved_model")
    stated = _stated_prefix(folder)
    if stated is not None and is_checkpoint(stated):
        return Location(path=stated, kind="checkpoint")
    # A V1 checkpoint has no .index, and one without its .meta can be used with another's.
    for patterns in (("*.index", "*.meta"), ("*.data-?????-of-?????",)):
        files = [file for pattern in patterns for file in folder.glob(pattern)]
        found = [file for file in files if is_checkpoint(_prefix_of(file))]
        if found:
            latest = max(found, key=lambda file: file.stat().st_mtime)
            return Location(path=_prefix_of(latest), kind="checkpoint")
    if stated is not None and meta_file(stated).is_file():
        return _without_data(stated, option)
    raise RequestError(
        f"{option} {folder}: the folder holds no checkpoint and no SavedModel"
        f"{_of_state(folder, stated)}"
    )


def _prefix_of(file: Path) -> Path:
    return file.with_suffix("")


def _stated_prefix(folder: Path) -> Path | None:
    """Return the prefix that the file `checkpoint` of the folder names."""
    state = folder / "checkpoint"
    if not state.is_file():
        return None
    stated = _STATE_LINE.search(state.read_text(errors="replace"))
    # The state file often carries the absolute path of another machine: Windows' too.
    return folder / PureWindowsPath(stated["path"]).name if stated else None


def _of_state(folder: Path, stated: Path | None) -> str:
    """Say what the file `checkpoint` of a folder without a checkpoint has to do with it."""
    if stated is not None:
        return (
            f"; its file `checkpoint` names {stated.name}, of which no file is there: copy "
            f"{stated.name}.* into the folder"
        )
    state = folder / "checkpoint"
    wrong = misfit(state) if state.is_file() else ""
    return f"; {wrong}" if wrong else ""


def _without_data(prefix: Path, option: str) -> Location:
    raise RequestError(
        f"{option} {prefix}: there is {prefix.name}.meta but neither {prefix.name}.index nor "
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
