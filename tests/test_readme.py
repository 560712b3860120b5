"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.models.captcha_cnn import training_prefix
from harness.cli import command_parser, main
from harness.commands import COMMANDS

README = Path(__file__).parent.parent / "README.md"
SECTION = "## From training to serving"


def command_lines(text: str) -> list[list[str]]:
    """The arguments of each `freezeproof` line that stands in a block of its own."""
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"^    freezeproof (.+)$", joined, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def section(title: str) -> str:
    return README.read_text(encoding="utf-8").partition(title)[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    "arguments", command_lines(README.read_text(encoding="utf-8")), ids=" ".join
)
def test_a_command_of_the_readme_is_one_that_there_is(arguments: list[str]) -> None:
    (command,) = (each for each in COMMANDS if each.name == arguments[0])
    command_parser(command).parse_args(arguments[1:])


def test_the_walk_from_training_to_serving_ends_as_the_readme_shows(
    built: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    trained = training_prefix(built("captcha_cnn-resource")).parent.parent
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captcha").symlink_to(trained)
    text = section(SECTION)
    commands = command_lines(text)
    assert [arguments[0] for arguments in commands] == ["export", "evaluate"]

    codes = [main(arguments) for arguments in commands]

    assert codes == [0, 0]
    shown = capfd.readouterr().out
    for line in (
        "model.ckpt-250 is equivalent, proved",
        "exported exported",
        "  inputs:  image_tensor uint8 [?, ?, ?, 3]",
        "  outputs: classes int64 [?]",
        "           probabilities float32 [?, 10]",
        "  verification.json          equivalent, proved",
        "  on     500 generated captchas of one digit, seed 2",
        "  equal predictions: 500 of 500",
    ):
        assert f"\n{line}\n" in f"\n{shown}"
        assert f"\n{line}\n" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captcha", "exported"]
