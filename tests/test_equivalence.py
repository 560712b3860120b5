"""`assert_equivalent`, in tests that users write themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.catalogue import find
from fixtures.freezing import freeze_fixture
from harness import Close, Request, RequestError, assert_equivalent
from harness.domain import Domain, Range

Built = Callable[[str], Path]
Feeds = Mapping[str, "np.ndarray[Any, Any]"]

FIXTURE = find("softmax_regression-resource")
OUTPUTS = ("prediction",)


@pytest.fixture(scope="module")
def prefix(built: Built) -> Path:
    return built(FIXTURE.name)


@pytest.fixture(scope="module")
def frozen(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("right") / "model.pb"
    path.write_bytes(freeze_fixture(FIXTURE, prefix).graph_def.SerializeToString())
    return path


def test_a_right_export_is_equivalent(prefix: Path, frozen: Path) -> None:
    assert_equivalent(prefix, frozen, outputs=OUTPUTS, max_examples=20)


def test_a_path_may_be_text_and_a_reference_a_request(prefix: Path, frozen: Path) -> None:
    assert_equivalent(str(prefix), str(frozen), outputs=OUTPUTS, max_examples=5)
    assert_equivalent(Request(path=prefix, outputs=OUTPUTS), frozen, max_examples=5)


def test_a_stale_export_is_told_with_the_stage_and_the_culprit(frozen: Path, prefix: Path) -> None:
    stale = prefix.with_name(str(FIXTURE.stale))
    request = Request(path=stale, meta_graph=Path(f"{prefix}.meta"), outputs=OUTPUTS)

    with pytest.raises(AssertionError, match=r"^weights: .* hold model.ckpt-60.s values"):
        assert_equivalent(request, frozen, max_examples=20)


def test_a_function_may_be_the_candidate(prefix: Path) -> None:
    def uniform(feeds: Feeds) -> Feeds:
        (value,) = feeds.values()
        return {"prediction": np.full((len(value), 3), 1 / 3, np.float32)}

    with pytest.raises(AssertionError, match=r"^outputs: prediction\["):
        assert_equivalent(prefix, uniform, outputs=OUTPUTS, max_examples=20)


def test_a_function_is_compared_within_the_tolerance(prefix: Path) -> None:
    weights = freeze_fixture(FIXTURE, prefix)
    values = {
        node.name: node.attr["value"].tensor
        for node in weights.graph_def.node
        if node.name in weights.weights
    }
    from tensorflow.python.framework.tensor_util import MakeNdarray

    arrays = sorted((MakeNdarray(value) for value in values.values()), key=lambda a: -a.ndim)
    kernel, bias = (array.astype(np.float64) for array in arrays)

    def softmax(feeds: Feeds) -> Feeds:
        (value,) = feeds.values()
        logits = value.astype(np.float64) @ kernel + bias
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
        return {"prediction": (powers / powers.sum(-1, keepdims=True)).astype(np.float32)}

    domains = {"inputs": Domain(values=Range(low=-10, high=10))}
    close = {"outputs": OUTPUTS, "domains": domains, "max_examples": 20}
    assert_equivalent(prefix, softmax, tolerance=Close(rtol=1e-4), **close)
    with pytest.raises(AssertionError, match="outputs: prediction"):
        assert_equivalent(prefix, lambda feeds: {
            name: value * np.float32(1.01) for name, value in softmax(feeds).items()
        }, tolerance=Close(rtol=1e-4), **close)  # fmt: skip


def test_domains_say_what_is_fed(prefix: Path) -> None:
    seen: list[float] = []

    def remembers(feeds: Feeds) -> Feeds:
        seen.extend(feeds["inputs"].reshape(-1).tolist())
        return {"prediction": np.zeros((len(feeds["inputs"]), 3), np.float32)}

    with pytest.raises(AssertionError):
        assert_equivalent(
            prefix,
            remembers,
            outputs=OUTPUTS,
            domains={"inputs": Domain(values=Range(low=2, high=3))},
        )
    assert seen
    assert all(2 <= value <= 3 for value in seen)


def test_a_candidate_that_is_no_graph_fails_at_reload(prefix: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pb"
    empty.write_bytes(b"")
    with pytest.raises(AssertionError, match=r"^reload: .*empty\.pb"):
        assert_equivalent(prefix, empty, outputs=OUTPUTS)


def test_a_name_that_does_not_exist_is_no_difference(prefix: Path, frozen: Path) -> None:
    with pytest.raises(RequestError, match=r"predicton.*nearest: prediction"):
        assert_equivalent(prefix, frozen, outputs=["predicton"])


def test_importing_it_imports_no_tensorflow() -> None:
    code = "import harness, sys; harness.assert_equivalent; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_agreement_on_nothing_is_no_agreement(prefix: Path, frozen: Path) -> None:
    nothing = {"inputs": Domain(shape=(0, 4))}
    with pytest.raises(AssertionError, match=r"outputs: .*(distinct|no element)"):
        assert_equivalent(prefix, frozen, outputs=OUTPUTS, domains=nothing)


def test_a_function_that_gives_no_outputs_by_name_is_told(prefix: Path) -> None:
    with pytest.raises(TypeError, match="returned list: it should return a mapping"):
        assert_equivalent(prefix, lambda _: [1.0], outputs=OUTPUTS)  # type: ignore[arg-type]


def test_a_domain_of_no_input_is_the_callers_mistake(prefix: Path, frozen: Path) -> None:
    with pytest.raises(RequestError, match="nearest: inputs"):
        assert_equivalent(prefix, frozen, outputs=OUTPUTS, domains={"input": Domain()})
