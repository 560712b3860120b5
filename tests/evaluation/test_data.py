from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import RequestError
from harness.evaluation import captchas
from harness.evaluation.data import Data, read_data

Paint = Callable[..., Path]

RED = (255, 0, 0)


def labelled(data: Data) -> dict[str, int]:
    return {picture.name: picture.label for picture in data.pictures}


def test_folders_called_by_numbers_are_these_classes(paint: Paint) -> None:
    folder = paint({"10/a.png": RED, "9/a.png": RED, "007/a.png": RED})
    data = read_data(str(folder))
    assert labelled(data) == {"007/a.png": 7, "9/a.png": 9, "10/a.png": 10}
    assert list(data.class_names.items()) == [(7, "007"), (9, "9"), (10, "10")]
    assert not data.is_named


def test_other_folders_are_numbered_in_sorted_order(paint: Paint) -> None:
    data = read_data(str(paint({"rose/a.png": RED, "b10/a.png": RED, "daisy/a.png": RED})))
    assert labelled(data) == {"b10/a.png": 0, "daisy/a.png": 1, "rose/a.png": 2}
    assert data.is_named


def test_a_folder_that_is_no_class_does_not_number_the_others_anew(paint: Paint) -> None:
    folder = paint({"1/a.png": RED, "2/a.png": RED, "@eaDir/a.png": RED})
    with pytest.raises(RequestError, match="called by numbers, and @eaDir is not: remove it"):
        read_data(str(folder))


@pytest.mark.parametrize("number", ["1000001", "9" * 5000])
def test_more_captchas_than_anybody_needs_are_refused(number: str) -> None:
    with pytest.raises(RequestError, match="with N from 1 to 1000000"):
        read_data(f"captcha:{number}")


def test_pictures_that_are_not_taken_as_they_are_meant_are_told(paint: Paint) -> None:
    folder = paint({"0/a.png": RED})
    Image.new("RGBA", (3, 3)).save(folder / "0" / "glass.png")
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (3, 3)).save(folder / "0" / "lying.jpeg", exif=exif)
    assert read_data(str(folder)).left_out == (
        "transparent, which only an input of 4 channels sees: 0/glass.png",
        "to be turned by their EXIF data, which is not done: 0/lying.jpeg",
    )


def test_what_is_no_file_is_refused(paint: Paint) -> None:
    folder = paint({"0/a.png": RED})
    os.mkfifo(folder / "0" / "pipe")
    with pytest.raises(RequestError, match="pipe is no file and no folder: remove it"):
        read_data(str(folder))


def test_pictures_are_read_in_order_with_their_sizes_and_pixels(paint: Paint) -> None:
    folder = paint({"0/b.png": (1, 2, 3), "0/a.bmp": (4, 5, 6)}, size=(7, 5))
    first, second = read_data(str(folder)).pictures
    assert (first.name, second.name) == ("0/a.bmp", "0/b.png")
    assert first.size == (7, 5)
    assert np.array_equal(np.asarray(second.opened()), np.full((5, 7, 3), (1, 2, 3)))


def test_what_is_hidden_is_skipped_and_told(paint: Paint) -> None:
    folder = paint({"a/1.png": RED, "a/.2.png": RED, ".cache/1.png": RED})
    (folder / "a" / ".DS_Store").write_text("no picture")
    data = read_data(str(folder))
    assert labelled(data) == {"a/1.png": 0}
    assert data.left_out == ("hidden, skipped: .cache, a/.2.png, a/.DS_Store",)


def test_a_class_without_pictures_keeps_its_number_and_is_told(paint: Paint) -> None:
    folder = paint({"b/1.png": RED})
    (folder / "a").mkdir()
    data = read_data(str(folder))
    assert labelled(data) == {"b/1.png": 1}
    assert data.left_out == ("classes without pictures: a",)


def test_a_file_that_is_no_picture_is_named_with_what_to_do(paint: Paint) -> None:
    folder = paint({"a/1.png": RED})
    (folder / "a" / "notes.txt").write_text("no picture")
    with pytest.raises(
        RequestError, match=r"a/notes\.txt is no picture .* remove it, or put a dot"
    ):
        read_data(str(folder))


def test_a_picture_that_was_cut_short_is_named_when_it_is_opened(paint: Paint) -> None:
    folder = paint({"a/1.png": RED}, size=(90, 90))
    file = folder / "a" / "1.png"
    Image.effect_noise((90, 90), 50).save(file)
    file.write_bytes(file.read_bytes()[:400])
    (picture,) = read_data(str(folder)).pictures
    with pytest.raises(RequestError, match=r"a/1\.png is damaged or cut short"):
        picture.opened()


def test_a_picture_of_16_bits_is_not_cut_to_8(paint: Paint) -> None:
    folder = paint({"a/1.png": RED})
    Image.fromarray(np.full((3, 3), 4000, np.uint16)).save(folder / "a" / "1.png")
    with pytest.raises(RequestError, match=r"a/1\.png holds numbers beyond 255"):
        read_data(str(folder))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a/1.png", "readme.png"], "readme.png stands beside the folders of the classes"),
        (["a/more/1.png"], "a/more is a folder inside that of a class"),
        (["1/1.png", "01/1.png"], "01 and 1 are the same class, 1"),
        ([".hidden/1.png"], "it holds no folder"),
        (["a/.1.png"], "there is no picture in the folders"),
    ],
)
def test_a_folder_of_another_form_is_refused_in_words(
    files: list[str], said: str, paint: Paint
) -> None:
    folder = paint(dict.fromkeys(files, RED))
    with pytest.raises(RequestError, match=said):
        read_data(str(folder))


def test_a_folder_that_is_not_there_is_refused_with_the_nearest(paint: Paint) -> None:
    folder = paint({"a/1.png": RED})
    with pytest.raises(RequestError, match="no such folder; nearest: pictures"):
        read_data(str(folder.with_name("picture")))


def test_a_file_is_no_folder(paint: Paint) -> None:
    with pytest.raises(RequestError, match="this is a file"):
        read_data(str(paint({"a/1.png": RED}) / "a" / "1.png"))


def test_captchas_have_their_digit_as_label() -> None:
    pixels, labels = captchas.digits(4, 7)
    data = read_data("captcha:4", seed=7)
    assert [picture.label for picture in data.pictures] == labels.tolist()
    assert [picture.name for picture in data.pictures][-1] == "captcha-0003"
    for picture, expected in zip(data.pictures, pixels, strict=True):
        assert np.array_equal(np.asarray(picture.opened()), expected)
    assert data.description == "4 generated captchas of one digit, seed 7"
    assert list(data.class_names) == list(range(10))


@pytest.mark.parametrize("text", ["captcha:", "captcha:0", "captcha:-1", "captcha:many"])
def test_a_number_of_captchas_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="it should be captcha:N"):
        read_data(text)


def test_a_seed_goes_with_captchas(paint: Paint) -> None:
    with pytest.raises(RequestError, match="--seed goes with --data captcha:N"):
        read_data(str(paint({"a/1.png": RED})), seed=1)


def test_a_link_to_nothing_is_an_error_of_the_file(paint: Paint) -> None:
    folder = paint({"a/1.png": RED})
    (folder / "a" / "2.png").symlink_to("nowhere.png")
    with pytest.raises(FileNotFoundError):
        read_data(str(folder))
