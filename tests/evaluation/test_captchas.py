from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from fixtures.training import SEED
from harness.errors import RequestError
from harness.evaluation import captchas
from harness.evaluation.data import DEFAULT_SEED


def test_captchas_of_a_seed_begin_alike_however_many_there_are() -> None:
    few, labels = captchas.digits(3, 9)
    more, more_labels = captchas.digits(5, 9)
    assert (few == more[:3]).all()
    assert labels.tolist() == more_labels[:3].tolist()


def test_labels_are_those_that_fixtures_were_trained_on() -> None:
    _, labels = captchas.digits(12, 1)
    assert labels.tolist() == [4, 5, 7, 9, 0, 1, 8, 9, 2, 3, 8, 4]


def test_models_of_the_fixtures_are_not_evaluated_on_what_they_were_trained_on() -> None:
    assert DEFAULT_SEED != SEED
    trained = {picture.tobytes() for picture in captchas.digits(200, SEED)[0]}
    evaluated = {picture.tobytes() for picture in captchas.digits(200, DEFAULT_SEED)[0]}
    assert not trained & evaluated


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captchas.digits.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"pip install 'freezeproof\[captcha\]'"):
        captchas.digits(1, 1)


def test_data_is_read_without_tensorflow_and_without_the_captcha_library() -> None:
    program = (
        "import sys; import harness.evaluation.data; "
        "print('tensorflow' in sys.modules, 'captcha' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ended.stdout == b"False False\n"
