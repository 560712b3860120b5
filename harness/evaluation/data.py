"""Pictures with labels: a folder with one sub-folder a class, or captchas that are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from harness.criteria import Array
from harness.errors import RequestError, listed, nearest
from harness.evaluation import captchas

CAPTCHA = "captcha:"
DEFAULT_SEED = 2
"""Captchas that the fixtures of this project are not trained on, which is what 1 gives."""

_NOT_READ = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""What Pillow raises over a file, by format."""
_TOO_FINE = ("I", "F")
_ORIENTATION = 274  # of EXIF; 1 is upright
_TURNED = frozenset({"JPEG", "MPO", "TIFF", "WEBP"})
_MOST_CAPTCHAS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture and its label. `size` is width and height, as Pillow has it."""

    name: str
    label: int
    size: tuple[int, int]
    source: Path | Array = field(repr=False)
    is_transparent: bool = False
    is_turned: bool = False
    """The file says that whoever shows it should turn it."""

    def opened(self) -> Image.Image:
        """Return the picture, its pixels read.

        Raises:
            RequestError: the file is damaged.
        """
        if not isinstance(self.source, Path):
            return Image.fromarray(self.source)
        try:
            with Image.open(self.source) as image:
                image.load()
                read: Image.Image = image.copy()
        except _NOT_READ as error:
            raise RequestError(
                f"--data: {self.source} is damaged or cut short ({error}): copy it again, or "
                f"remove it"
            ) from error
        return read


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a model is evaluated on.

    `class_names` maps labels to the names of their classes, in order. `description` is told, and
    so is what was `left_out`.
    """

    pictures: tuple[Picture, ...]
    class_names: Mapping[int, str]
    description: str
    left_out: tuple[str, ...] = ()

    @property
    def is_named(self) -> bool:
        """Whether classes have names that say more than their numbers."""
        return any(not _is_number(name) for name in self.class_names.values())


def read_data(text: str, *, seed: int | None = None) -> Data:
    """Return what `--data` names; no more than the heads of files are read.

    Raises:
        RequestError: it is neither a folder with pictures in folders of classes, nor captcha:N.
        OSError: a folder cannot be listed.
    """
    if text.startswith(CAPTCHA):
        return _captchas(_count(text), DEFAULT_SEED if seed is None else seed)
    if seed is not None:
        raise RequestError(f"--seed goes with --data {CAPTCHA}N, and {text} is a folder")
    return _folder(Path(text))


def _count(text: str) -> int:
    number = text.removeprefix(CAPTCHA)
    is_short = _is_number(number) and len(number) <= len(str(_MOST_CAPTCHAS))
    if not is_short or not 0 < int(number) <= _MOST_CAPTCHAS:
        raise RequestError(
            f"--data {text[:40]}: it should be {CAPTCHA}N, as {CAPTCHA}500, with N from 1 to "
            f"{_MOST_CAPTCHAS}"
        )
    return int(number)


def _captchas(count: int, seed: int) -> Data:
    pixels, labels = captchas.digits(count, seed)
    digits = len(str(count - 1))
    return Data(
        pictures=tuple(
            Picture(
                name=f"captcha-{index:0{max(digits, 4)}}",
                label=int(label),
                size=(captchas.SIDE, captchas.SIDE),
                source=picture,
            )
            for index, (picture, label) in enumerate(zip(pixels, labels, strict=True))
        ),
        class_names={digit: str(digit) for digit in range(captchas.DIGITS)},
        description=f"{count} generated captcha{'s' * (count > 1)} of one digit, seed {seed}",
    )


def _folder(folder: Path) -> Data:
    if not folder.is_dir():
        if folder.exists():
            raise RequestError(f"--data {folder}: this is a file; give the folder with the classes")
        siblings = [p.name for p in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise RequestError(
            f"--data {folder}: no such folder{nearest(folder.name, siblings)} ({CAPTCHA}N draws "
            f"pictures)"
        )
    hidden: list[Path] = []
    classes = _visible(folder, hidden)
    for entry in classes:
        if not entry.is_dir():
            raise RequestError(
                f"--data {folder}: {entry.name} stands beside the folders of the classes: move it "
                f"into that of its class, or elsewhere"
            )
    if not classes:
        raise RequestError(f"--data {folder}: it holds no folder: one for each class is expected")
    labels = _labels(classes, folder)
    pictures = [
        _picture(file, f"{entry.name}/{file.name}", label)
        for label, entry in sorted(labels.items())
        for file in _visible(entry, hidden)
    ]
    if not pictures:
        raise RequestError(f"--data {folder}: there is no picture in the folders of the classes")
    counts = dict.fromkeys(labels, 0)
    for picture in pictures:
        counts[picture.label] += 1
    empty = [entry.name for label, entry in sorted(labels.items()) if not counts[label]]
    return Data(
        pictures=tuple(pictures),
        class_names={label: entry.name for label, entry in sorted(labels.items())},
        description=f"{len(pictures)} picture{'s' * (len(pictures) > 1)} of {len(classes)} "
        f"class{'es' * (len(classes) > 1)} in {folder}",
        left_out=(
            *_told("hidden, skipped", [str(path.relative_to(folder)) for path in hidden]),
            *_told("classes without pictures", empty),
            *_told(
                "transparent, which only an input of 4 channels sees",
                [picture.name for picture in pictures if picture.is_transparent],
            ),
            *_told(
                "to be turned by their EXIF data, which is not done",
                [picture.name for picture in pictures if picture.is_turned],
            ),
        ),
    )


def _told(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what}: {listed(names)}"] if names else []


def _visible(folder: Path, hidden: list[Path]) -> list[Path]:
    """Return what a folder holds, sorted, but for what is hidden, which is added to that."""
    entries = sorted(folder.iterdir())
    hidden += [entry for entry in entries if entry.name.startswith(".")]
    return [entry for entry in entries if not entry.name.startswith(".")]


def _labels(classes: Sequence[Path], folder: Path) -> dict[int, Path]:
    """Return the folders by label: their numbers where all are numbers, else their places."""
    names = [entry.name for entry in classes if not _is_number(entry.name)]
    if len(names) == len(classes):
        return dict(enumerate(classes))
    if names:
        raise RequestError(
            f"--data {folder}: its folders are called by numbers, and {listed(names)} is not: "
            f"remove it, or put a dot before its name to have it skipped"
        )
    labels: dict[int, Path] = {}
    for entry in classes:
        other = labels.setdefault(int(entry.name), entry)
        if other is not entry:
            raise RequestError(
                f"--data {folder}: {other.name} and {entry.name} are the same class, "
                f"{int(entry.name)}: put their pictures into one folder"
            )
    return labels


def _picture(file: Path, name: str, label: int) -> Picture:
    if file.is_dir():
        raise RequestError(
            f"--data: {file} is a folder inside that of a class: move its pictures up, or it "
            f"elsewhere"
        )
    if file.exists() and not file.is_file():
        raise RequestError(f"--data: {file} is no file and no folder: remove it")
    try:
        with Image.open(file) as image:
            size, mode = image.size, image.mode
            is_transparent = "A" in mode or "transparency" in image.info
            # Of other formats it stands behind the pixels, if at all.
            is_turned = image.format in _TURNED and image.getexif().get(_ORIENTATION, 1) != 1
    except (FileNotFoundError, PermissionError):
        raise  # of the file, and not of what it holds
    except _NOT_READ as error:
        raise RequestError(
            f"--data: {file} is no picture that Pillow reads: remove it, or put a dot before its "
            f"name to have it skipped"
        ) from error
    if mode.startswith(_TOO_FINE):
        raise RequestError(
            f"--data: {file} holds numbers beyond 255 (Pillow's mode {mode}), which would be cut "
            f"off: convert it to 8 bits a channel"
        )
    return Picture(
        name=name,
        label=label,
        size=size,
        source=file,
        is_transparent=is_transparent,
        is_turned=is_turned,
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
