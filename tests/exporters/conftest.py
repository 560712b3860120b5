"""Models to export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.catalogue import find
from harness.models.model import Model
from harness.models.opening import open_model
from harness.subject import Request


@pytest.fixture(scope="session")
def opened(built: Callable[[str], Path]) -> Callable[[str], Model]:
    """The name of a fixture -> its model."""

    def open_fixture(name: str) -> Model:
        fixture = find(name)
        return open_model(Request(path=built(name), inputs=fixture.inputs, outputs=fixture.outputs))

    return open_fixture
