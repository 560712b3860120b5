"""What is behind a URL, copied: what `locate` chooses there and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from harness.errors import RequestError
from harness.locate import locate
from harness.models.remote import fetch_file, fetch_model
from harness.subject import Copy

gfile = tf.io.gfile

FILES = ("model.ckpt-5", "model.ckpt-60")
SUFFIXES = (".data-00000-of-00001", ".index", ".meta")


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """The URL of a folder in TensorFlow's memory."""
    url = f"ram://{tmp_path.name}"
    gfile.makedirs(url)
    yield url
    gfile.rmtree(url)


@pytest.fixture
def fetched(tmp_path: Path) -> Callable[..., Copy]:
    """A URL -> its copy."""

    def fetch(url: str, option: str = "--checkpoint") -> Copy:
        return fetch_model(url, tmp_path / "copies", option=option)

    return fetch


def put(url: str, *names: str) -> None:
    """Write files that hold their own names, but for a folder's state file."""
    for name in names:
        gfile.makedirs(f"{url}/{name}".rpartition("/")[0])
        with gfile.GFile(f"{url}/{name}", "w") as file:
            file.write(name)


def checkpoint(url: str, name: str) -> None:
    put(url, *(f"{name}{suffix}" for suffix in SUFFIXES))


def names_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def said_of(call: Callable[[], Any]) -> str:
    with pytest.raises(RequestError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert "freezeproof-" not in message  # no path of a folder that the user never heard of
    return message


# ---- checkpoints


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_a_checkpoint_is_copied_and_not_the_others_of_its_run(
    bucket: str, fetched: Callable[..., Copy], suffix: str
) -> None:
    for name in FILES:
        checkpoint(f"{bucket}/run", name)
    put(f"{bucket}/run", "events.out.tfevents.1")

    copy = fetched(f"{bucket}/run/model.ckpt-60{suffix}")

    assert copy.path.name == "model.ckpt-60"
    assert names_in(copy.path.parent) == [f"model.ckpt-60{each}" for each in SUFFIXES]
    assert (copy.path.parent / "model.ckpt-60.index").read_text() == "model.ckpt-60.index"


def test_the_name_of_the_folder_is_kept(bucket: str, fetched: Callable[..., Copy]) -> None:
    checkpoint(f"{bucket}/run", "00000123")

    assert fetched(f"{bucket}/run/00000123").path.parent.name == "run"


@pytest.mark.parametrize("named", ["run", "run/", "run/checkpoint"])
def test_a_folder_stands_for_the_checkpoint_that_its_state_file_names(
    bucket: str, fetched: Callable[..., Copy], named: str
) -> None:
    for name in FILES:
        checkpoint(f"{bucket}/run", name)
    with gfile.GFile(f"{bucket}/run/checkpoint", "w") as file:
        file.write('model_checkpoint_path: "/elsewhere/model.ckpt-5"\n')

    copy = fetched(f"{bucket}/{named}")

    assert copy.path.name == "model.ckpt-5"
    assert names_in(copy.path.parent) == [f"model.ckpt-5{each}" for each in SUFFIXES]


@pytest.mark.parametrize("newest", FILES)
@pytest.mark.parametrize("named", ["run", "run/checkpoint"])
def test_a_folder_whose_state_file_is_stale_stands_for_its_newest_checkpoint(
    tmp_path: Path, fetched: Callable[..., Copy], newest: str, named: str
) -> None:
    # Files in TensorFlow's memory have no times.
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    for name in FILES:
        checkpoint(str(run), name)
        for file in run.glob(f"{name}.*"):
            time = 2000 if name == newest else 1000
            os.utime(file, (time, time))

    assert fetched(f"file://{tmp_path}/{named}").path.name == newest


def test_a_folder_beside_is_no_checkpoint_of_one_file(
    tmp_path: Path, fetched: Callable[..., Copy]
) -> None:
    run = tmp_path / "run"
    (run / "model.ckpt-60").mkdir(parents=True)
    put(str(run), "model.ckpt-60.meta")

    assert "the folder holds no checkpoint" in said_of(lambda: fetched(f"file://{run}"))


@pytest.mark.parametrize("named", ["model.ckpt", "model.ckpt.meta"])
def test_a_checkpoint_of_one_file_is_copied_with_its_graph(
    bucket: str, fetched: Callable[..., Copy], named: str
) -> None:
    put(bucket, "model.ckpt", "model.ckpt.meta", "model.ckpt-7")

    copy = fetched(f"{bucket}/{named}")

    assert copy.path.name == "model.ckpt"
    assert names_in(copy.path.parent) == ["model.ckpt", "model.ckpt.meta"]


def test_shards_of_a_first_version_are_copied(bucket: str, fetched: Callable[..., Copy]) -> None:
    names = ["model.ckpt-00000-of-00002", "model.ckpt-00001-of-00002", "model.ckpt.meta"]
    put(bucket, *names, "model.ckpt-7-00000-of-00001")

    assert names_in(fetched(f"{bucket}/model.ckpt").path.parent) == names


# ---- SavedModels and frozen graphs


@pytest.mark.parametrize("named", ["", "/saved_model.pb"])
def test_a_saved_model_is_copied_with_all_its_folders(
    bucket: str, fetched: Callable[..., Copy], named: str
) -> None:
    names = ["assets/extra/words.txt", "saved_model.pb", "variables/variables.index"]
    put(f"{bucket}/export/00000123", *names)
    put(f"{bucket}/export", "other.pb")

    copy = fetched(f"{bucket}/export/00000123{named}")

    assert copy.path.name == "00000123"
    assert names_in(copy.path) == names
    assert (copy.path / names[0]).read_text() == names[0]


def test_a_version_folder_is_told_by_its_parent(bucket: str, fetched: Callable[..., Copy]) -> None:
    put(f"{bucket}/export/00000123", "saved_model.pb")

    assert fetched(f"{bucket}/export/00000123").path.parent.name == "export"


def test_a_frozen_graph_is_copied_alone(bucket: str, fetched: Callable[..., Copy]) -> None:
    put(bucket, "shipped.pb", "other.pb")

    copy = fetched(f"{bucket}/shipped.pb", option="--frozen")

    assert copy.path.read_text() == "shipped.pb"
    assert names_in(copy.path.parent) == ["shipped.pb"]


def test_a_graph_under_a_name_that_tells_nothing_is_told_by_its_content(
    bucket: str, fetched: Callable[..., Copy]
) -> None:
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
    with gfile.GFile(f"{bucket}/graph", "wb") as file:
        file.write(graph.as_graph_def().SerializeToString())

    assert locate(fetched(f"{bucket}/graph").path).kind == "frozen"


# ---- files


def test_a_file_is_copied(bucket: str, tmp_path: Path) -> None:
    put(bucket, "model.meta", "model.index")

    copy = fetch_file(f"{bucket}/model.meta", tmp_path / "copies", option="--meta-graph")

    assert copy.path.read_text() == "model.meta"
    assert names_in(copy.path.parent) == ["model.meta"]


def test_a_file_that_does_not_exist_is_answered_with_the_nearest(
    bucket: str, tmp_path: Path
) -> None:
    put(bucket, "model.meta")

    message = said_of(
        lambda: fetch_file(f"{bucket}/modle.meta", tmp_path / "copies", option="--meta-graph")
    )

    assert message == f"--meta-graph {bucket}/modle.meta: no such file; nearest: model.meta"


def test_a_folder_is_no_file(bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/run", "model.meta")

    message = said_of(
        lambda: fetch_file(f"{bucket}/run", tmp_path / "copies", option="--meta-graph")
    )

    assert message == f"--meta-graph {bucket}/run: this is a folder; name the file in it"


# ---- how it is told


def test_a_copy_is_told_by_its_url(bucket: str, fetched: Callable[..., Copy]) -> None:
    checkpoint(f"{bucket}/run", "model.ckpt-60")

    for named in ("run", "run/model.ckpt-60.meta"):
        copy = fetched(f"{bucket}/{named}")
        assert copy.said(f"of {copy.path}.index") == f"of {bucket}/run/model.ckpt-60.index"
        shutil.rmtree(copy.folder)


def test_a_name_that_does_not_exist_is_answered_with_the_nearest(
    bucket: str, fetched: Callable[..., Copy]
) -> None:
    checkpoint(f"{bucket}/run", "model.ckpt-60")

    assert said_of(lambda: fetched(f"{bucket}/run/nodel.ckpt-60")) == (
        f"--checkpoint {bucket}/run/nodel.ckpt-60: no such checkpoint, SavedModel or .pb; "
        f"nearest: model.ckpt-60"
    )


def test_a_folder_that_does_not_exist_is_named(bucket: str, fetched: Callable[..., Copy]) -> None:
    assert said_of(lambda: fetched(f"{bucket}/none/model.pb", option="--frozen")) == (
        f"--frozen {bucket}/none/model.pb: no such checkpoint, SavedModel or .pb "
        f"({bucket}/none is no folder)"
    )


def test_a_folder_without_a_model_is_named(bucket: str, fetched: Callable[..., Copy]) -> None:
    put(f"{bucket}/run", "notes.txt")

    assert said_of(lambda: fetched(f"{bucket}/run")) == (
        f"--checkpoint {bucket}/run: the folder holds no checkpoint and no SavedModel"
    )


def test_a_scheme_that_tensorflow_does_not_know_may_be_brought_by_a_package(
    fetched: Callable[..., Copy],
) -> None:
    message = said_of(lambda: fetched("nowhere://bucket/model.ckpt"))

    assert message.startswith("--checkpoint nowhere://bucket/model.ckpt: File system scheme")
    assert "'nowhere' not implemented" in message
    assert message.endswith("--import MODULE")


def test_what_tensorflow_says_of_a_file_system_is_told_in_a_line(
    fetched: Callable[..., Copy], tmp_path: Path
) -> None:
    locked = tmp_path / "file"
    locked.touch()

    # The parent is a file: an error of the file system that is not "not found".
    message = said_of(lambda: fetched(f"file://{locked}/model.ckpt"))

    assert message.startswith(f"--checkpoint file://{locked}/model.ckpt: TensorFlow says: ")


@pytest.mark.parametrize("url", ["ram://", "ram://run/../other", "ram://.."])
def test_a_url_that_names_nothing(url: str, fetched: Callable[..., Copy]) -> None:
    assert said_of(lambda: fetched(url)) == (
        f"--checkpoint {url}: it should name a file or folder, without . or .."
    )
