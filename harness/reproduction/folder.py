"""The folder of a reproduction, written and read.

It holds `reproduction.json` (what was compared, and how), the feeds and what both sides made of
them as arrays, and a copy of the candidate. `harness.replaying` runs the stage again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.criteria import Array
from harness.errors import RequestError
from harness.locate import locate_candidate
from harness.reproduction.arrays import read_arrays, write_arrays
from harness.reproduction.record import SCHEMA, Reproduction, as_json, from_json

LARGEST = 2 * 2**30
"""A candidate of so many bytes is copied; of more, the copy is left to the user."""

_FILE = "reproduction.json"
_ARRAYS = ("feeds", "expected", "actual")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=#@-]+")
_LONGEST_NAME = 150


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The feeds that show a difference, and what both sides made of them.

    `expected` or `actual` is None where that side rejects the feeds.
    """

    feeds: Mapping[str, Array]
    expected: Mapping[str, Array] | None = None
    actual: Mapping[str, Array] | None = None


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A folder that was read: `candidate` is the copy in it, None where it was too large."""

    folder: Path
    reproduction: Reproduction
    evidence: Evidence | None
    candidate: Path | None


def write_reproduction(
    directory: Path,
    reproduction: Reproduction,
    *,
    evidence: Evidence | None,
    export: Path,
) -> Path:
    """Write a folder into `directory` and return it; `export` is the candidate on disk.

    It is written aside and renamed, so that nobody finds a part of it. That of an earlier run, of
    the same model, candidate and stage, is replaced; nothing else ever is.

    Raises:
        OSError: it cannot be written.
        ValueError: an array is of no kind that can be kept.
    """
    if not directory.exists():
        directory.mkdir(parents=True)
        # As pytest does for its cache: what a run leaves behind is nobody's to commit.
        (directory / ".gitignore").write_text("*\n", encoding="utf-8")
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=directory))
    try:
        written = aside / "new"
        written.mkdir()  # of the usual permissions, which a temporary folder has not
        data = as_json(reproduction)
        data["arrays"] = _write_evidence(written, evidence)
        data["candidate"]["copy"] = _copy(export, written, is_of_run=not reproduction.path)
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        (written / _FILE).write_text(text, encoding="utf-8")
        folder = _free_folder(directory, reproduction)
        (written / "README.txt").write_text(_readme(data, folder), encoding="utf-8")
        if folder.exists():
            folder.rename(aside / "old")
        written.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def folder_name(reproduction: Reproduction) -> str:
    """Return "MODEL-CANDIDATE-STAGE" as far as it is safe in a path and in a shell."""
    whole = f"{reproduction.model}-{reproduction.candidate}-{reproduction.stage}"
    safe = _UNSAFE.sub("_", whole).lstrip(".-") or "_"
    if len(safe) <= _LONGEST_NAME:
        return safe
    digest = hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()
    return f"{safe[: _LONGEST_NAME // 2]}..{digest}..{safe[-_LONGEST_NAME // 2 :]}"


def replay_command(folder: Path) -> str:
    """Return the command that replays a folder, told from the current folder where it is inside."""
    with_name = Path(os.path.relpath(folder)) if folder.is_relative_to(Path.cwd()) else folder
    return f"freezeproof replay {shlex.quote(str(with_name))}"


def replay_line(folder: Path) -> str:
    """Return the line by which the message of a failure ends."""
    return f"replay with: {replay_command(folder)}"


def _free_folder(directory: Path, reproduction: Reproduction) -> Path:
    """Return where a reproduction goes: not in the place of another's, nor of anything else."""
    name = folder_name(reproduction)
    choice, number = name, 1
    while (directory / choice).exists() and not _is_same(directory / choice, reproduction):
        number += 1
        choice = f"{name}#{number}"
    return directory / choice


def _is_same(folder: Path, reproduction: Reproduction) -> bool:
    try:
        found, _ = _read_text(folder)
    except RequestError:
        return False
    return _whose(found) == _whose(reproduction)


def _whose(reproduction: Reproduction) -> tuple[str, ...]:
    """Return what two failures share only if one is seen instead of the other."""
    return (
        reproduction.model,
        reproduction.reference,  # two models of a team are called model.ckpt-1000
        reproduction.candidate,
        reproduction.stage,
    )


def _write_evidence(folder: Path, evidence: Evidence | None) -> dict[str, Any]:
    found = {kind: getattr(evidence, kind, None) for kind in _ARRAYS}
    return {
        kind: None if arrays is None else write_arrays(folder / f"{kind}.npz", arrays)
        for kind, arrays in found.items()
    }


def _copy(export: Path, folder: Path, *, is_of_run: bool) -> str:
    """Copy the candidate and return the copy's name; "" where it is too large."""
    source = locate_candidate(export).path
    if source.is_dir():
        sizes = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
        if sizes > LARGEST:
            return ""
        shutil.copytree(source, folder / "candidate", copy_function=shutil.copyfile)
        return "candidate"
    if source.stat().st_size > LARGEST:
        return ""
    name = f"candidate{source.suffix}"
    if is_of_run:
        # Nobody writes to it again. The user's own file may be mended in place, and the copy is
        # to stay what it was.
        try:
            os.link(source, folder / name)
        except OSError:
            pass
        else:
            return name
    shutil.copyfile(source, folder / name)
    return name


def _readme(data: Mapping[str, Any], folder: Path) -> str:
    name, model, stage = data["candidate"]["name"], data["model"], data["stage"]
    copy = data["candidate"]["copy"]
    reason = data["reason"].partition("\n")[0]
    held = [f"{copy} ({name})"] if copy else []
    held += [f"{kind}.npz" for kind in _ARRAYS if data["arrays"][kind] is not None]
    return (
        f"Stage {stage} found that {name} is not {model}: {reason}\n"
        f"The reference stays where it is: {data['reference']['path']}\n"
        f"Here lie {_FILE} (what was compared, and how){''.join(f', {each}' for each in held)}.\n"
        f"To see it again, or that it is mended: {replay_command(folder)}\n"
        f"To look for it anew: {data['command'] or 'run the test that failed'}\n"
    )


def read_reproduction(folder: Path) -> Kept:
    """Return what a folder holds.

    Raises:
        RequestError: it is no such folder, of another schema, or damaged.
    """
    reproduction, data = _read_text(folder)
    try:
        index = {kind: data["arrays"][kind] for kind in _ARRAYS}
        copy = _member(data["candidate"]["copy"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from error
    arrays = {
        kind: None if entries is None else read_arrays(folder / f"{kind}.npz", entries)
        for kind, entries in index.items()
    }
    feeds = arrays.pop("feeds")
    return Kept(
        folder=folder,
        reproduction=reproduction,
        evidence=None if feeds is None else Evidence(feeds=feeds, **arrays),
        candidate=folder / copy if copy else None,
    )


def _read_text(folder: Path) -> tuple[Reproduction, dict[str, Any]]:
    path = folder / _FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"it holds no {_FILE}" if folder.is_dir() else "there is no such folder"
        raise RequestError(
            f"{folder}: {what}; the message of a failure names its folder, in --repro-dir"
        ) from error
    except ValueError as error:
        raise _damaged(folder, error) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise RequestError(
            f"{path} is of schema {schema!r}, and this freezeproof reads {SCHEMA}: replay it with "
            f"the version that wrote it"
        )
    try:
        return from_json(data), data
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder, error) from error


def _member(name: str) -> str:
    if name and Path(name).name != name:
        raise ValueError(f"the copy {name} is no file of the folder")
    return name


def _damaged(folder: Path, error: Exception) -> RequestError:
    what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return RequestError(
        f"{folder / _FILE} is damaged ({what}): remove the folder and run the test again"
    )
