"""What lies behind a URL that `tf.io.gfile` knows (gs://, hdfs://, s3://), copied to this machine.

What a path is, `locate` tells from names. So the listing of the remote folder is mirrored first, as
empty files, and what `locate` chooses there is all that is copied: a folder may hold the
checkpoints of a whole run. Where it would look into a file, an empty one passes for a checkpoint;
whoever opens the copy calls `locate` again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow as tf

from harness.errors import RequestError, first_line, nearest
from harness.locate import Location, checkpoint_files, locate, meta_file
from harness.subject import Copy

_STATE = "checkpoint"
_AT_ONCE = 16
"""How many files are asked about at the same time: each answer comes over the network."""


def fetch_model(url: str, folder: Path, *, option: str) -> Copy:
    """Copy the checkpoint, SavedModel or frozen graph at `url` into `folder`.

    A URL may name what a path may: a prefix, a file of a checkpoint, a folder with one.

    Raises:
        RequestError: nothing is there, or TensorFlow cannot reach it.
    """
    parent, name = _split(url, option)
    with (
        _reaching(url, option),
        tempfile.TemporaryDirectory(prefix="freezeproof-listing-") as scratch,
    ):
        mirror = _mirrored(parent, name, Path(scratch))
        try:
            location = locate(mirror.path, option=option)
        except RequestError as error:
            raise RequestError(mirror.said(str(error))) from error
        copies = folder / mirror.folder.relative_to(scratch)
        copies.mkdir(parents=True)
        _copy(location, mirror, copies)
        path = copies / location.path.relative_to(mirror.folder)
    return Copy(path=path, folder=copies, url=mirror.url)


def fetch_file(url: str, folder: Path, *, option: str) -> Copy:
    """Copy the file at `url` into `folder`.

    Raises:
        RequestError: it is not there, or TensorFlow cannot reach it.
    """
    parent, name = _split(url, option)
    with _reaching(url, option):
        try:
            is_folder = tf.io.gfile.stat(url).is_directory
        except tf.errors.NotFoundError as error:
            raise RequestError(
                f"{option} {url}: no such file{nearest(name, _names(parent))}"
            ) from error
        if is_folder:
            raise RequestError(f"{option} {url}: this is a folder; name the file in it")
        copies = folder / _last(parent)
        copies.mkdir(parents=True)
        tf.io.gfile.copy(url, str(copies / name), overwrite=True)
    return Copy(path=copies / name, folder=copies, url=parent)


@contextlib.contextmanager
def _reaching(url: str, option: str) -> Iterator[None]:
    """Say in a line what TensorFlow says of a file system that it cannot reach."""
    try:
        yield
    except tf.errors.UnimplementedError as error:
        raise RequestError(
            f"{option} {url}: {first_line(error)}: where a package brings it (tensorflow_io does "
            f"some), name that with --import MODULE"
        ) from error
    except tf.errors.OpError as error:
        raise RequestError(f"{option} {url}: TensorFlow says: {first_line(error)}") from error


def _split(url: str, option: str) -> tuple[str, str]:
    """Return the folder and the last name of a URL; joined with a slash, they are the URL again."""
    rest = url.partition("://")[2].strip("/")
    # Names become those of local files.
    if not rest or not {".", ".."}.isdisjoint(rest.split("/")):
        raise RequestError(f"{option} {url}: it should name a file or folder, without . or ..")
    parent, _, name = url.rstrip("/").rpartition("/")
    return parent, name


def _last(folder: str) -> str:
    """Return the last name of a folder's URL, which is the bucket's or scheme's at its top."""
    return folder.rstrip("/").rpartition("/")[2].rstrip(":")


def _mirrored(parent: str, name: str, scratch: Path) -> Copy:
    """Return what a URL names, mirrored in `scratch` as far as `locate` has to know it.

    The parent's name is kept: that of a model in a version folder is made of it.
    """
    local = scratch / _last(parent)
    names = _names(parent)
    if _is_folder(parent, name, names):
        _mirror_folder(f"{parent}/{name}", local / name)
        return Copy(path=local / name, folder=local / name, url=f"{parent}/{name}")
    if name == _STATE and name in names:  # which stands for its folder
        _mirror_folder(parent, local)
        return Copy(path=local / name, folder=local, url=parent)
    if names:
        local.mkdir()
    for each in names:
        (local / each).touch()
    return Copy(path=local / name, folder=local, url=parent)


def _is_folder(parent: str, name: str, names: Collection[str]) -> bool:
    found = _stat(f"{parent}/{name}")
    # In memory (ram://), the beginning of any name passes for a folder. A bucket has no parent.
    return found is not None and found.is_directory and (name in names or parent.endswith(":/"))


def _stat(url: str) -> Any:
    try:
        return tf.io.gfile.stat(url)
    except tf.errors.NotFoundError:
        return None


def _names(folder: str) -> list[str]:
    """Return the names in a remote folder; none where there is no such folder."""
    if folder.endswith(":/"):  # what is above a bucket
        return []
    try:
        # Object stores mark the names of folders with a slash.
        return [name for each in tf.io.gfile.listdir(f"{folder}/") if (name := each.rstrip("/"))]
    except tf.errors.NotFoundError:
        return []


def _mirror_folder(url: str, local: Path) -> None:
    """Mirror the files in a folder: names, the times that tell the newest, and the state file."""
    local.mkdir(parents=True)
    names = _names(url)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(_stat, [f"{url}/{name}" for name in names])
    for name, stat in zip(names, found, strict=True):
        if stat is None or stat.is_directory:
            continue
        target = local / name
        target.touch()
        if name == _STATE:
            tf.io.gfile.copy(f"{url}/{name}", str(target), overwrite=True)
        os.utime(target, ns=(stat.mtime_nsec, stat.mtime_nsec))


def _copy(location: Location, mirror: Copy, copies: Path) -> None:
    """Copy the files that make up what `locate` chose in the mirror."""
    if location.kind == "saved_model":
        _copy_tree(mirror.url, copies)
        return
    files = [location.path]
    if location.kind == "checkpoint":
        meta = meta_file(location.path)
        files = [*checkpoint_files(location.path), *([meta] if meta.is_file() else [])]
    for file in files:
        tf.io.gfile.copy(f"{mirror.url}/{file.name}", str(copies / file.name), overwrite=True)


def _copy_tree(url: str, target: Path) -> None:
    for folder, _, files in tf.io.gfile.walk(url):
        local = target / folder[len(url) :].strip("/")
        local.mkdir(parents=True, exist_ok=True)
        for name in filter(None, files):
            tf.io.gfile.copy(f"{folder.rstrip('/')}/{name}", str(local / name), overwrite=True)
