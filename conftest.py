"""Plain `pytest` in this checkout verifies every fixture model beside the harness's own tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.subject import Request, Subject, candidates_of

# For `fixtures`, which is not installed. Last, so that the harness under test is the installed one.
sys.path.append(str(Path(__file__).parent))

EXAMPLES = 25


def pytest_freezeproof_subjects(config: pytest.Config) -> list[Subject]:
    """Verify the fixtures in a run that names neither a model nor a file."""
    if config.args_source is pytest.Config.ArgsSource.ARGS and not _names_suite(config):
        return []
    # Not at the top: where the package is installed from this checkout, a run in another folder
    # loads this file too.
    from fixtures.catalogue import FIXTURES, Fixture
    from harness.inputs.spec import parse_input_spec
    from harness.options import parse_methods

    def subject(fixture: Fixture) -> Subject:
        return Subject(
            name=fixture.name,
            locate=lambda: Request(
                path=build_fixture(fixture.name, config),
                inputs=fixture.inputs,
                outputs=fixture.outputs,
                moving_averages=fixture.moving_averages,
                domains=parse_input_spec(fixture.input_spec).domains,
            ),
            candidates=candidates_of(parse_methods("all"), ()),
            max_examples=EXAMPLES,
        )

    return [subject(fixture) for fixture in FIXTURES]


def _names_suite(config: pytest.Config) -> bool:
    return any(argument.startswith("freezeproof::") for argument in config.args)


def build_fixture(name: str, config: pytest.Config) -> Path:
    """Return the checkpoint prefix of a fixture, built once in a run by whichever worker asks."""
    from fixtures.cache import build_once
    from fixtures.catalogue import find

    root: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    if hasattr(config, "workerinput"):
        root = root.parent  # a worker's folder stands inside that of the run
    return build_once(find(name), root / "fixture-models")


@pytest.fixture(scope="session")
def built(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """The name of a fixture -> the prefix of its checkpoint."""
    return lambda name: build_fixture(name, pytestconfig)
