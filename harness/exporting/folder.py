"""The folder of an export, and how a new one takes the place of an old one.

All is written into a folder beside it and renamed at the end. Whoever looks, at whatever moment the
export is killed, finds the old export, the new one, or (between two renames) none: never a part of
one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BrokenModel, RequestError, file_error, listed
from harness.exporting.ending import ended_in_order
from harness.exporting.holding import LOCK, held, taken_over
from harness.exporting.layout import MANIFEST
from harness.exporting.manifest import files_in, read_manifest
from harness.locate import PATTERN_MARKS

_NEW, _OLD = "export", "replaced"
_FULL = tuple(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where an export is written: `export` is what will be renamed, `aside` is thrown away."""

    export: Path
    aside: Path


def check_place(output: Path) -> Path:
    """Make sure that an export can be put at `output`, with nothing lost but an earlier export.

    Return the place as an absolute path without links: it stays the same wherever the process goes.

    Raises:
        RequestError: something else is there, or nothing can be put there.
    """
    where = f"--output-dir {output}"
    if output.is_symlink():
        raise RequestError(f"{where}: this is a link: name the folder that it leads to")
    place = output.resolve()
    marks = PATTERN_MARKS.intersection(str(place))
    if marks:
        raise RequestError(
            f"{where}: TensorFlow takes {' '.join(sorted(marks))} in a path for a pattern, and "
            f"could not read what is written there: name another folder"
        )
    if not os.path.lexists(place):
        _check_parent(place, where)
    elif not place.is_dir():
        raise RequestError(f"{where}: this is a file, and should be a folder")
    else:
        _check_replaceable(place, where)
        _check_parent(place, where)
    return place


def _check_replaceable(place: Path, where: str) -> None:
    if place.is_mount():
        raise RequestError(
            f"{where}: a file system is mounted there, so that the folder cannot be replaced: "
            f"name a folder in it"
        )
    working = Path.cwd()
    if place == working or place in working.parents:
        raise RequestError(
            f"{where}: the working folder is in it, and would be replaced: name another folder, "
            f"or start from elsewhere"
        )
    there = files_in(place)
    if not there:
        return
    if MANIFEST not in there:
        raise RequestError(
            f"{where}: it holds {listed(there)} and no {MANIFEST}, so that it is no earlier "
            f"export: name a new folder, or remove what is there"
        )
    try:
        own = {MANIFEST, *read_manifest(place).files}
    except BrokenModel as error:
        raise RequestError(
            f"{where}: whether it is an earlier export cannot be told: {error}: name a new "
            f"folder, or remove what is there"
        ) from error
    foreign = [name for name in there if name not in own]
    if foreign:
        raise RequestError(
            f"{where}: it holds {listed(foreign)}, and an export would replace the whole folder: "
            f"name a new folder, or move what is there"
        )


def _check_parent(place: Path, where: str) -> None:
    parent = next(each for each in place.parents if each.exists())
    if not parent.is_dir():
        raise RequestError(f"{where}: {parent} is a file, and should be a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise RequestError(f"{where}: nothing can be written in the folder {parent}")


@contextlib.contextmanager
def workplace(output: Path) -> Iterator[Workplace]:
    """Make a place to write beside `output`, and remove it when the block is left.

    It is left in order on SIGTERM too.
    What earlier exports to `output` left there when they were killed is removed first; an old
    export that one of them had moved out of the way is put back.

    Raises:
        RequestError: nothing can be written there, or not all.
    """
    output = output.resolve()
    with _made(output.parent), ended_in_order(), _told_if_full(output):
        for left in _beside(output):
            with taken_over(left) as is_over:
                if is_over:
                    _end(left, output)
        root = _root(output)
        with held(root):
            try:
                new = root / _NEW
                new.mkdir()  # of the usual permissions, which a temporary folder has not
                yield Workplace(export=new, aside=root)
            finally:
                _end(root, output)


def move_aside(place: Workplace, output: Path) -> None:
    """Move the old export out of the way, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        output.rename(place.aside / _OLD)


def move_in(place: Workplace, output: Path) -> None:
    """Put the new export in its place.

    Raises:
        RequestError: another export was quicker.
    """
    try:
        place.export.rename(output)
    except OSError as error:
        if output.exists():
            raise RequestError(
                f"--output-dir {output}: another export was put there meanwhile: export again"
            ) from error
        raise


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and what lies above it; remove what holds nothing when the block is left."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        with _told_of(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            for each in missing:
                each.rmdir()


def _root(output: Path) -> Path:
    with _told_of(output.parent):
        return Path(tempfile.mkdtemp(prefix=_start(output), dir=output.parent))


@contextlib.contextmanager
def _told_of(parent: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"--output-dir: nothing can be written in the folder {parent}: "
            f"{error.strerror or error}"
        ) from error


@contextlib.contextmanager
def _told_if_full(output: Path) -> Iterator[None]:
    try:
        yield
    except RequestError:
        raise
    except Exception as error:
        reason = _why_full(error)
        if reason is None:
            raise
        raise RequestError(f"--output-dir {output}: it cannot be written: {reason}") from error


def _why_full(error: BaseException | None) -> str | None:
    """Return what the system says if it had no room for a file; TensorFlow gives its words only."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return file_error(error)
        for number in _FULL:
            if os.strerror(number) in str(error):
                return os.strerror(number)
        error = error.__cause__
    return None


def _end(root: Path, output: Path) -> None:
    """Remove a place to write; an old export that has no successor is put back first."""
    if (root / _OLD).is_dir() and not output.exists():
        (root / _OLD).rename(output)
    with contextlib.suppress(OSError):
        for entry in root.iterdir():
            if entry.name != LOCK:  # which goes last: without it, nobody would clean up again
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
    shutil.rmtree(root, ignore_errors=True)


def _start(output: Path) -> str:
    # A lock does not tell everywhere whether a process of another machine has ended.
    return f".{output.name}.exporting-{socket.gethostname()}-"


def _beside(output: Path) -> list[Path]:
    """Return the places of exports to `output` by this machine, running or killed."""
    start = _start(output)
    return [entry for entry in output.parent.iterdir() if entry.name.startswith(start)]
