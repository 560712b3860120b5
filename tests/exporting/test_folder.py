from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import BrokenModel, RequestError
from harness.exporting.folder import check_place, move_aside, move_in, workplace
from harness.exporting.holding import LOCK, held, taken_over
from harness.exporting.manifest import (
    MANIFEST,
    FileDigest,
    Manifest,
    Source,
    digests_of,
    write_manifest,
)
from harness.signature import Signature

NOBODY = 65534
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")


def fill(folder: Path, text: str = "graph") -> None:
    """Write what passes for an export."""
    (folder / "saved_model" / "variables").mkdir(parents=True)
    for name in ("frozen_inference_graph.pb", "saved_model/variables/variables.index"):
        (folder / name).write_text(text)
    write_manifest(
        Manifest(
            signature=Signature(inputs=(), outputs=()),
            source=Source(path="model.ckpt", digest="0", digest_of="files"),
            method="direct",
            collection="inference_op",
            files=digests_of(folder),
        ),
        folder,
    )


def put(output: Path, text: str) -> None:
    with workplace(output) as place:
        fill(place.export, text)
        move_aside(place, output)
        move_in(place, output)


def fail(output: Path, error: BaseException, *, after: str = "writing") -> None:
    """Write an export, and fail before the first move, or between the two."""
    with workplace(output) as place:
        fill(place.export)
        if after == "moving aside":
            move_aside(place, output)
        raise error


def put_late(output: Path) -> None:
    """Write an export; another one gets there between the moves."""
    with workplace(output) as place:
        fill(place.export, "late")
        move_aside(place, output)
        put(output, "quicker")
        move_in(place, output)


def text_of(output: Path) -> str:
    return (output / "frozen_inference_graph.pb").read_text()


def left_behind(output: Path, *, host: str | None = None) -> Path:
    """What an export leaves that was killed when it had moved the old one aside."""
    folder = output.parent / f".{output.name}.exporting-{host or socket.gethostname()}-abc"
    folder.mkdir(parents=True)
    (folder / LOCK).touch()
    fill(folder / "export", "half")
    fill(folder / "replaced", "old")
    return folder


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def test_a_new_folder_gets_the_export(tmp_path: Path) -> None:
    output = tmp_path / "new"

    assert check_place(output) == output
    put(output, "new")

    assert text_of(output) == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")

    check_place(output)
    put(output, "new")

    assert text_of(output) == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    output.mkdir()

    check_place(output)
    put(output, "new")

    assert text_of(output) == "new"


def test_the_export_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()

    put(tmp_path / "exported", "new")

    assert (tmp_path / "exported").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    "name",
    ["mine.txt", "saved_model/assets/vocabulary.txt", "saved_model/freezeproof.json", "model.ckpt"],
)
def test_a_file_that_is_no_part_of_the_earlier_export_is_in_the_way(
    name: str, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    put(output, "old")
    (output / name).parent.mkdir(exist_ok=True)
    (output / name).touch()

    with pytest.raises(RequestError, match=f"it holds {name}, and an export would replace"):
        check_place(output)


def test_a_link_to_a_folder_in_the_earlier_export_is_in_the_way(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")
    (output / "saved_model" / "assets").symlink_to(tmp_path)

    with pytest.raises(RequestError, match="it holds saved_model/assets, and"):
        check_place(output)


def test_an_earlier_export_that_lost_a_file_is_replaced(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")
    (output / "frozen_inference_graph.pb").unlink()

    assert check_place(output) == output


def test_a_folder_with_files_like_an_export_and_no_manifest_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").touch()

    with pytest.raises(RequestError, match=f"saved_model.pb and no {MANIFEST}"):
        check_place(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', "\0"])
def test_a_folder_with_a_manifest_that_tells_nothing_is_in_the_way(
    text: str, tmp_path: Path
) -> None:
    output = tmp_path / "exported"
    put(output, "old")
    (output / MANIFEST).write_text(text)

    with pytest.raises(RequestError, match="whether it is an earlier export cannot be told"):
        check_place(output)


def test_a_manifest_that_is_a_folder_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).mkdir()
    (tmp_path / MANIFEST / MANIFEST).touch()

    with pytest.raises(RequestError, match="no earlier export"):
        check_place(tmp_path)


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RequestError, match="this is a file"):
        check_place(tmp_path / "file")
    with pytest.raises(RequestError, match=r"file is a file, and should be a folder"):
        check_place(tmp_path / "file" / "exported")


@pytest.mark.parametrize("target", ["folder", "nowhere"])
def test_a_link_is_in_the_way(target: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / target)

    with pytest.raises(RequestError, match="this is a link"):
        check_place(tmp_path / "link")


def test_a_place_is_told_without_links(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")

    assert check_place(tmp_path / "link" / "exported") == tmp_path / "folder" / "exported"


def test_an_export_through_a_link_is_written_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")

    put(tmp_path / "link" / "exported", "new")

    assert text_of(tmp_path / "folder" / "exported") == "new"


def test_a_relative_place_is_told_from_the_root(tmp_path: Path) -> None:
    with working_in(tmp_path):
        assert check_place(Path("exported/")) == tmp_path / "exported"
        assert check_place(Path("missing/../exported")) == tmp_path / "exported"


def test_the_working_folder_may_change_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with working_in(tmp_path):
        output = check_place(Path("exported"))
        with workplace(output) as place:
            os.chdir(tmp_path / "elsewhere")
            fill(place.export)
            move_aside(place, output)
            move_in(place, output)

    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["elsewhere", "exported"]
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_working_folder_is_not_replaced(tmp_path: Path) -> None:
    with working_in(tmp_path), pytest.raises(RequestError, match="the working folder is in it"):
        check_place(Path())


def test_an_export_that_holds_the_working_folder_is_not_replaced(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")

    with (
        working_in(output / "saved_model"),
        pytest.raises(RequestError, match="the working folder is in it"),
    ):
        check_place(Path(".."))


def test_where_a_file_system_is_mounted_nothing_is_replaced() -> None:
    with pytest.raises(RequestError, match="a file system is mounted there"):
        check_place(Path(Path.cwd().anchor))


@pytest.mark.parametrize("name", ["model[1]", "what?", "a*b"])
def test_a_place_that_tensorflow_takes_for_a_pattern_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="in a path for a pattern"):
        check_place(tmp_path / name / "exported")


@pytest.mark.parametrize("name", ["two words", "captchas-числа-数字", "a'b\"c", "%d{0}$HOME", "-x"])
def test_a_place_may_have_an_unusual_name(name: str, tmp_path: Path) -> None:
    output = tmp_path / name

    put(output, "old")
    check_place(output)
    put(output, "new")

    assert text_of(output) == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_block_that_fails_leaves_the_old_export_and_nothing_else(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")

    with pytest.raises(BrokenModel, match="no"):
        fail(output, BrokenModel("no"))

    assert text_of(output) == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


def test_a_block_that_fails_leaves_no_folders_that_were_made_for_it(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match="no"):
        fail(tmp_path / "a" / "b" / "exported", BrokenModel("no"))

    assert not list(tmp_path.iterdir())


def test_a_block_that_fails_between_the_moves_puts_the_old_export_back(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")

    with pytest.raises(KeyboardInterrupt):
        fail(output, KeyboardInterrupt(), after="moving aside")

    assert text_of(output) == "old"


def test_an_export_that_came_between_the_moves_is_kept(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "old")

    with pytest.raises(RequestError, match="another export was put there"):
        put_late(output)

    assert text_of(output) == "quicker"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


@posix
def test_what_a_killed_export_left_is_removed_and_the_old_export_put_back(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    left_behind(output)

    with workplace(output):
        assert text_of(output) == "old"

    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


@posix
def test_what_a_killed_export_moved_aside_does_not_replace_a_later_one(tmp_path: Path) -> None:
    output = tmp_path / "exported"
    put(output, "later")
    left_behind(output)

    with workplace(output):
        pass

    assert text_of(output) == "later"
    assert [entry.name for entry in tmp_path.iterdir()] == ["exported"]


@posix
def test_what_is_still_held_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "exported"

    with workplace(output) as first, workplace(output) as second:
        assert first.export.is_dir()
        assert first.export != second.export


@pytest.mark.parametrize("host", ["another", f"{socket.gethostname()}2"])
def test_what_another_host_left_is_left_alone(host: str, tmp_path: Path) -> None:
    output = tmp_path / "exported"
    left = left_behind(output, host=host)

    put(output, "new")

    assert text_of(left / "export") == "half"
    assert text_of(left / "replaced") == "old"


def test_what_an_export_to_another_folder_left_is_left_alone(tmp_path: Path) -> None:
    left = left_behind(tmp_path / "other")

    put(tmp_path / "exported", "new")

    assert text_of(left / "replaced") == "old"


@posix
def test_a_folder_is_held_until_its_process_ends(tmp_path: Path) -> None:
    with held(tmp_path), taken_over(tmp_path) as is_over:
        assert not is_over

    with taken_over(tmp_path) as is_over:
        assert is_over


def test_of_a_folder_without_a_lock_nothing_is_known(tmp_path: Path) -> None:
    with taken_over(tmp_path) as is_over:
        assert not is_over


@posix
def test_where_locks_are_unknown_nothing_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with held(tmp_path):
        pass

    assert not list(tmp_path.iterdir())


@posix
def test_the_lock_is_removed_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, what a second kill leaves would be left for ever."""
    output = tmp_path / "exported"
    left = left_behind(output)
    removed = []

    def rmtree(path: Path, **_: bool) -> None:
        removed.append(path.name)
        assert (left / LOCK).exists()

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with workplace(output):
        monkeypatch.undo()

    assert removed == ["export", left.name]


def _refused_as_nobody() -> None:
    """Root writes everywhere."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o555)
        output = Path(parent) / "exported"
        with pytest.raises(RequestError, match="nothing can be written in the folder"):
            check_place(output)
        with pytest.raises(RequestError, match="nothing can be written in the folder"):
            put(output, "new")


@posix
def test_a_folder_that_cannot_be_written_is_refused() -> None:
    process = multiprocessing.get_context("forkserver").Process(target=_refused_as_nobody)

    process.start()
    process.join(60)

    assert process.exitcode == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_in_one_line(number: int, tmp_path: Path) -> None:
    output = tmp_path / "exported"

    with pytest.raises(RequestError) as caught:
        fail(output, OSError(number, os.strerror(number)))

    where, reason = f"--output-dir {output}", os.strerror(number)
    assert str(caught.value) == f"{where}: it cannot be written: {reason}"
    assert not list(tmp_path.iterdir())


def test_a_disk_that_was_full_for_a_method_is_told(tmp_path: Path) -> None:
    error = BrokenModel("--method direct: OSError: …")
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RequestError, match="No space left"):
        fail(tmp_path / "exported", error)


def test_another_error_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        fail(tmp_path / "exported", PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def test_an_export_of_this_version_lists_all_its_files(tmp_path: Path) -> None:
    put(tmp_path / "exported", "new")

    files = json.loads((tmp_path / "exported" / MANIFEST).read_text())["files"]

    assert {name: FileDigest(**each) for name, each in files.items()} == digests_of(
        tmp_path / "exported"
    )
