"""Plain `pytest` in this checkout verifies every fixture model beside the harness's own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.cache import build_once
from fixtures.catalogue import FIXTURES, Fixture
from harness.inputs.spec import parse_input_spec
from harness.options import parse_methods
from harness.subject import Request, Subject, candidates_of

pytest_plugins = ["harness.plugin", "pytester"]

EXAMPLES = 25


@pytest.hookimpl
def pytest_freezeproof_subjects(config: pytest.Config) -> list[Subject]:
    """Verify the fixtures in a run that names neither a model nor a file."""
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return []
    return [_subject(fixture, config) for fixture in FIXTURES]


def _subject(fixture: Fixture, config: pytest.Config) -> Subject:
    def locate() -> Request:
        return Request(
            path=build_once(fixture, fixtures_root(config)),
            inputs=fixture.inputs,
            outputs=fixture.outputs,
        )

    return Subject(
        name=fixture.name,
        locate=locate,
        candidates=candidates_of(parse_methods("all"), ()),
        domains=parse_input_spec(fixture.input_spec),
        max_examples=EXAMPLES,
    )


def fixtures_root(config: pytest.Config) -> Path:
    """Return the folder that the fixtures are built in, shared by the workers of one run."""
    root: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    if hasattr(config, "workerinput"):
        root = root.parent
    folder = root / "fixture-models"
    folder.mkdir(exist_ok=True)
    return folder
