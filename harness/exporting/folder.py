"""The folder of an export, and how a new one takes the place of an old one.

All is written into a folder beside it and renamed at the end. Whoever looks, at whatever moment the
export is killed, finds the old export, the new one, or (between two renames) none: never a part of
one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RequestError, listed
from harness.exporting.layout import (
    CHECKPOINT,
    FROZEN_GRAPH,
    MANIFEST,
    SAVED_MODEL,
    VERIFICATION,
)

_OWN = re.compile(
    rf"^({re.escape(CHECKPOINT)}\.(meta|index|data-\d{{5}}-of-\d{{5}})|{re.escape(FROZEN_GRAPH)}|"
    rf"{SAVED_MODEL}|{re.escape(MANIFEST)}|{re.escape(VERIFICATION)})$"
)
_NEW, _OLD = "export", "replaced"


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where an export is written: `export` is what will be renamed, `aside` is thrown away."""

    export: Path
    aside: Path


def check_place(output: Path) -> None:
    """Make sure that an export can be put at `output`, with nothing lost but an earlier export.

    Raises:
        RequestError: something else is there.
    """
    where = f"--output-dir {output}"
    if output.is_symlink():
        raise RequestError(f"{where}: this is a link: name the folder that it leads to")
    if not output.exists():
        return
    if not output.is_dir():
        raise RequestError(f"{where}: this is a file, and should be a folder")
    names = sorted(entry.name for entry in output.iterdir())
    foreign = [name for name in names if not _OWN.match(name)]
    if foreign:
        raise RequestError(
            f"{where}: it holds {listed(foreign)}, and an export would replace the whole folder: "
            f"name a new folder, or move what is there"
        )
    if names and MANIFEST not in names:
        raise RequestError(
            f"{where}: it holds {listed(names)} and no {MANIFEST}, so that it is no earlier "
            f"export: name a new folder, or remove what is there"
        )


@contextlib.contextmanager
def workplace(output: Path) -> Iterator[Workplace]:
    """Make a place to write beside `output`, and remove it when the block is left.

    What earlier exports to `output` left there when they were killed is removed first; an old
    export that one of them had moved out of the way is put back.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    for left in _left_behind(output):
        if (left / _OLD).is_dir() and not output.exists():
            (left / _OLD).rename(output)
        shutil.rmtree(left, ignore_errors=True)
    root = Path(tempfile.mkdtemp(prefix=f"{_start(output)}{os.getpid()}.", dir=output.parent))
    try:
        new = root / _NEW
        new.mkdir()  # of the usual permissions, which a temporary folder has not
        yield Workplace(export=new, aside=root)
    finally:
        if (root / _OLD).is_dir() and not output.exists():
            (root / _OLD).rename(output)
        shutil.rmtree(root, ignore_errors=True)


def move_aside(place: Workplace, output: Path) -> None:
    """Move the old export out of the way, if there is one."""
    if output.exists():
        output.rename(place.aside / _OLD)


def move_in(place: Workplace, output: Path) -> None:
    """Put the new export in its place."""
    place.export.rename(output)


def _start(output: Path) -> str:
    return f".{output.name}.exporting-{socket.gethostname()}-"


def _left_behind(output: Path) -> list[Path]:
    """Return the places of exports to `output` that are no longer running, on this machine."""
    start = _start(output)
    found = [entry for entry in output.parent.iterdir() if entry.name.startswith(start)]
    return [entry for entry in found if not _runs(entry.name.removeprefix(start).partition(".")[0])]


def _runs(process: str) -> bool:
    if os.name == "nt":
        return True  # there, signal 0 is one that ends processes
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return True  # another user's, or none of ours
    return True
