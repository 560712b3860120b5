from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import __version__
from harness.errors import BrokenModel
from harness.exporting import manifest as module
from harness.exporting.manifest import (
    MANIFEST,
    SCHEMA,
    FileDigest,
    Manifest,
    Source,
    Verified,
    digests_of,
    files_in,
    read_manifest,
    write_manifest,
)
from harness.signature import Signature, TensorSpec
from harness.wheel import tensorflow_version

SOURCE = Source(path="числа/model.ckpt-60", digest="ab", digest_of="files")
PLAIN = Manifest(
    signature=Signature(
        inputs=(
            TensorSpec(name="image_tensor", dtype="uint8", shape=(None, 28, 28, 3)),
            TensorSpec(name="flag", dtype="bool", shape=()),
        ),
        outputs=(TensorSpec(name="parts:1", dtype="float32", shape=None),),
    ),
    source=SOURCE,
    method="direct",
    collection="inference_op",
)
FULL = replace(
    PLAIN,
    source=replace(SOURCE, moving_averages=True, without_average=("a", "b/c")),
    input_type="image_tensor",
    verified=Verified(verdict="equivalent", proved=True),
    files={"saved_model/saved_model.pb": FileDigest(bytes=3, sha256="cd")},
)


@pytest.mark.parametrize("manifest", [PLAIN, FULL], ids=["plain", "full"])
def test_what_is_written_is_read(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path)

    assert read_manifest(tmp_path) == manifest


def test_the_file_is_as_its_documentation_says(tmp_path: Path) -> None:
    write_manifest(FULL, tmp_path)

    written = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    shown = module.__doc__
    assert shown is not None
    text = "".join(line for line in shown.splitlines(keepends=True) if line.startswith("    "))
    documented = json.loads(
        text.replace("[…]", '[{"name": "…", "dtype": "…", "shape": null}]').replace(", …}", "}")
    )

    assert keys_of(written) == keys_of(documented)


def keys_of(value: Any) -> Any:
    """The structure of JSON, without its values; all elements of a list have the same."""
    if isinstance(value, list):
        return keys_of(value[0]) if value else None
    if (
        isinstance(value, dict)
        and all(
            "sha256" in map(str, each or ()) for each in [*value.values()] if isinstance(each, dict)
        )
        and "schema" not in value
    ):
        values = list(value.values())
        if values and isinstance(values[0], dict):
            return [keys_of(values[0])]
    return {key: keys_of(each) for key, each in value.items()} if isinstance(value, dict) else None


def test_the_file_tells_the_versions_and_what_null_is(tmp_path: Path) -> None:
    write_manifest(PLAIN, tmp_path)

    written = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))

    assert written["schema"] == SCHEMA
    assert written["freezeproof"] == __version__
    assert written["tensorflow"] == tensorflow_version()
    assert written["input_type"] is None
    assert written["verified"] is None
    assert written["signature"]["inputs"][0]["shape"] == [None, 28, 28, 3]
    assert written["signature"]["outputs"][0]["shape"] is None


def test_a_name_of_any_language_can_be_read_in_the_file(tmp_path: Path) -> None:
    write_manifest(PLAIN, tmp_path)

    assert "числа/model.ckpt-60" in (tmp_path / MANIFEST).read_text(encoding="utf-8")


def test_digests_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "saved_model" / "variables").mkdir(parents=True)
    contents = {
        "empty": b"",
        "saved_model/variables/variables.index": b"index",
        "large": bytes(3 * 2**20 + 1),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    found = digests_of(tmp_path)

    assert found == {
        name: FileDigest(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }


def test_the_manifest_does_not_list_itself_but_another_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / MANIFEST).touch()
    (tmp_path / MANIFEST).touch()

    assert list(digests_of(tmp_path)) == [f"assets/{MANIFEST}"]


def test_files_are_listed_and_links_and_no_folders(tmp_path: Path) -> None:
    (tmp_path / "folder" / "empty").mkdir(parents=True)
    (tmp_path / "folder" / ".hidden").touch()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")

    assert files_in(tmp_path) == ["broken", "folder/.hidden", "link"]


def test_a_folder_without_a_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match=rf"{MANIFEST}: No such file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"schema": 1}', '{"schema": "1", "files": {}}', "\ud800"],
)
def test_a_file_that_is_no_manifest_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="utf-8", errors="surrogatepass")

    with pytest.raises(BrokenModel, match=rf"{MANIFEST}: this is no manifest of an export"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("signature", "inputs"), None),
        (("signature", "outputs"), [{"name": "x"}]),
        (("source", "without_average"), 3),
        (("files", "model.pb"), {"bytes": 1}),
        (("files",), []),
        (("verified",), {}),
    ],
    ids=str,
)
def test_a_manifest_with_a_wrong_part_is_told(
    place: tuple[str, ...], wrong: object, tmp_path: Path
) -> None:
    write_manifest(FULL, tmp_path)
    written = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    part = written
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = wrong
    (tmp_path / MANIFEST).write_text(json.dumps(written), encoding="utf-8")

    with pytest.raises(BrokenModel, match="this is no manifest of an export"):
        read_manifest(tmp_path)


def test_a_manifest_of_a_newer_version_is_told(tmp_path: Path) -> None:
    write_manifest(FULL, tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(path.read_text(encoding="utf-8").replace('"schema": 1', '"schema": 2'))

    with pytest.raises(BrokenModel, match="it has schema 2, and 1 is the newest known here"):
        read_manifest(tmp_path)


def test_what_a_newer_version_added_is_passed_over(tmp_path: Path) -> None:
    write_manifest(FULL, tmp_path)
    path = tmp_path / MANIFEST
    written = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**written, "more": 1}), encoding="utf-8")

    assert read_manifest(tmp_path) == FULL
