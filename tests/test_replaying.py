"""A stage that failed is run again, and mended or not, it is said so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef

from harness.criteria import Array, Close, Exact
from harness.exporters.registry import load_method
from harness.models.opening import open_model
from harness.replaying import Outcome, Word, _request, _StoredFeeds, replay
from harness.reproduction.folder import Evidence, read_reproduction, write_reproduction
from harness.reproduction.record import Reproduction, reproduction_of
from harness.signature import Signature, TensorSpec
from harness.subject import Candidate, Request
from harness.verdict import Stage, StageResult, Status
from harness.verify import OutputsDiffer

FEEDS = {"inputs": np.full((2, 4), 0.25, np.float32)}
FAILED = StageResult(stage=Stage.OUTPUTS, status=Status.FAILED, reason="prediction differs")


@pytest.fixture(scope="module")
def trained(built: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint prefix of a small model, in a folder of its own."""
    prefix = built("softmax_regression-resource")
    folder = tmp_path_factory.mktemp("trained")
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        shutil.copy(file, folder)
    return folder / prefix.name


@pytest.fixture(scope="module")
def right(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The model, frozen."""
    model = open_model(Request(path=trained))
    return load_method("direct").export(model, tmp_path_factory.mktemp("direct")).path.read_bytes()


def wrong_by(right: bytes, factor: float) -> bytes:
    """The frozen model with one weight multiplied."""
    graph = GraphDef.FromString(right)
    (kernel,) = (n for n in graph.node if n.op == "Const" and n.name == "layer/kernel")
    value = tf.make_ndarray(kernel.attr["value"].tensor).copy()
    value.reshape(-1)[0] *= factor
    kernel.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return graph.SerializeToString()


@pytest.fixture(scope="module")
def wrong(right: bytes) -> bytes:
    return wrong_by(right, 1.5)


@pytest.fixture
def shipped(wrong: bytes, tmp_path: Path) -> Path:
    """The user's file, which differs from the model."""
    path = tmp_path / "shipped.pb"
    path.write_bytes(wrong)
    return path


Kept = Callable[..., Path]


@pytest.fixture
def kept(trained: Path, shipped: Path, tmp_path: Path) -> Kept:
    """The folder of a failure of `shipped`, with some fields changed."""

    def write(
        *,
        feeds: Mapping[str, Array] | None = FEEDS,
        export: Path = shipped,
        reference: Path = trained,
        **changes: Any,
    ) -> Path:
        record = reproduction_of(
            Request(path=reference),
            model="model",
            candidate=Candidate(name="shipped.pb", method="file", path=shipped),
            export=export,
            result=FAILED,
            tolerance=Close(rtol=1e-4),
            example_seconds=10.0,
        )
        evidence = None if feeds is None else Evidence(feeds=feeds)
        return write_reproduction(
            tmp_path / "kept", replace(record, **changes), evidence=evidence, export=export
        )

    return write


def record_of(kept: Kept) -> Reproduction:
    return read_reproduction(kept()).reproduction


def is_error(outcome: Outcome, *words: str) -> bool:
    return outcome.word is Word.ERROR and all(word in outcome.reason for word in words)


def of_candidate(outcome: Outcome) -> str:
    (said,) = (note for note in outcome.notes if note.startswith("candidate: "))
    return said


# ---- what is found


def test_a_candidate_that_is_as_it_was_fails_again(kept: Kept, shipped: Path) -> None:
    outcome = replay(kept())
    assert outcome.word is Word.FAILED
    assert outcome.reason.startswith("outputs: prediction[")
    assert " · layer/kernel differs in 1 of 12 elements · fed" in outcome.reason
    assert "fed inputs = [[0.25, 0.25, 0.25, 0.25]" in outcome.reason
    assert outcome.notes == (f"candidate: {shipped}, as it was then",)


def test_a_candidate_that_was_mended_is_fixed(kept: Kept, shipped: Path, right: bytes) -> None:
    folder = kept()
    shipped.write_bytes(right)
    outcome = replay(folder)
    assert outcome.word is Word.FIXED
    assert outcome.reason.startswith(
        "outputs: shipped.pb agrees with model · fed inputs = [[0.25, "
    )
    assert outcome.notes == (f"candidate: {shipped}, changed since then",)


def test_outputs_are_compared_bit_for_bit(kept: Kept, shipped: Path, right: bytes) -> None:
    folder = kept()
    shipped.write_bytes(wrong_by(right, 1 + 1e-6))
    assert replay(folder).word is Word.FAILED


def test_as_deployed_the_tolerance_of_then_decides(kept: Kept, shipped: Path, right: bytes) -> None:
    close = kept(stage=Stage.DEPLOYED)
    assert replay(close).reason.startswith("deployed: prediction[")
    shipped.write_bytes(wrong_by(right, 1 + 1e-6))
    assert replay(close).word is Word.FIXED
    assert replay(kept(stage=Stage.DEPLOYED, tolerance=Exact())).word is Word.FAILED


def test_weights_are_read_again(kept: Kept, shipped: Path, right: bytes) -> None:
    folder = kept(stage=Stage.WEIGHTS, feeds=None)
    outcome = replay(folder)
    assert outcome.word is Word.FAILED
    assert outcome.reason.startswith("weights: layer/kernel")
    shipped.write_bytes(right)
    outcome = replay(folder)
    assert outcome.word is Word.FIXED
    assert outcome.reason == "weights: shipped.pb agrees with model"


def test_the_structure_is_matched_again(kept: Kept, shipped: Path, right: bytes) -> None:
    graph = GraphDef.FromString(right)
    (softmax,) = (node for node in graph.node if node.op == "Softmax")
    softmax.op = "LogSoftmax"
    shipped.write_bytes(graph.SerializeToString())
    folder = kept(stage=Stage.STRUCTURE, feeds=None)
    outcome = replay(folder)
    assert outcome.word is Word.FAILED
    assert outcome.reason.startswith("structure: ")
    shipped.write_bytes(right)
    assert replay(folder).word is Word.FIXED


# ---- which candidate


def test_where_the_file_is_gone_the_copy_is_taken(kept: Kept, shipped: Path) -> None:
    folder = kept()
    shipped.unlink()
    outcome = replay(folder)
    assert outcome.word is Word.FAILED
    copy = folder / "candidate.pb"
    assert (
        of_candidate(outcome) == f"candidate: the copy {copy}, since {shipped} is no longer there"
    )


@pytest.mark.parametrize("damage", ["other bytes", None])
def test_a_copy_that_is_not_what_was_copied_is_an_error(
    damage: str | None, kept: Kept, shipped: Path
) -> None:
    folder = kept()
    shipped.unlink()
    (folder / "candidate.pb").unlink()
    if damage:
        (folder / "candidate.pb").write_text(damage)
    assert is_error(replay(folder), "gone or damaged", "--candidate PATH")


def test_a_candidate_that_was_too_large_to_copy_has_to_be_named(
    kept: Kept, shipped: Path, right: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.reproduction.folder.LARGEST", 3)
    folder = kept()
    shipped.unlink()
    assert is_error(replay(folder), "too large to be copied", "--candidate PATH")
    (tmp_path / "mended.pb").write_bytes(right)
    assert replay(folder, candidate=tmp_path / "mended.pb").word is Word.FIXED


def test_a_file_that_is_named_takes_the_place_of_all(
    kept: Kept, right: bytes, tmp_path: Path
) -> None:
    mended = tmp_path / "mended.pb"
    mended.write_bytes(right)
    outcome = replay(kept(), candidate=mended)
    assert outcome.word is Word.FIXED
    assert of_candidate(outcome) == f"candidate: {mended}, changed since then"


def test_a_file_that_is_named_and_not_there_is_an_error(kept: Kept, tmp_path: Path) -> None:
    outcome = replay(kept(), candidate=tmp_path / "none.pb")
    assert is_error(outcome, "--candidate", "none.pb: no such file")


def test_what_a_method_exported_is_exported_anew(kept: Kept) -> None:
    outcome = replay(kept(path="", method="direct"))
    assert outcome.word is Word.FIXED
    assert of_candidate(outcome) == "candidate: exported anew by direct"


def test_where_a_method_exports_no_more_the_copy_is_taken(kept: Kept) -> None:
    outcome = replay(kept(path="", method="theirs"))
    assert outcome.word is Word.FAILED
    said = of_candidate(outcome)
    assert "the copy" in said
    assert "theirs exports none any more (export: --export-methods theirs: no such method" in said


def test_of_the_copy_the_tensors_are_sought_by_the_names_that_the_method_gave(kept: Kept) -> None:
    outcome = replay(kept(path="", method="theirs", names={"inputs": "renamed"}))
    assert is_error(outcome, "candidate.pb holds no node renamed")


def test_a_candidate_that_cannot_be_read_is_an_error(kept: Kept, shipped: Path) -> None:
    folder = kept()
    shipped.write_bytes(b"\xff" * 9)
    assert is_error(replay(folder), "reload: ", "shipped.pb")


# ---- what has changed


def test_a_change_of_the_reference_is_told(kept: Kept, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(trained.parent, folder)
    written = kept(reference=folder / trained.name)
    meta = folder / f"{trained.name}.meta"
    meta.write_bytes(meta.read_bytes() + b"\x42\0")  # an empty collection: the same graph
    outcome = replay(written)
    assert outcome.word is Word.FAILED
    assert outcome.notes[1:] == (f"{folder / trained.name} has changed since the stage failed",)


def test_another_version_of_tensorflow_is_told(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kept()
    monkeypatch.setattr("harness.replaying.tensorflow_version", lambda: "9.9")
    (note,) = replay(folder).notes[1:]
    assert note == f"this is TensorFlow 9.9, and the stage failed with {tf.version.VERSION}"


def test_a_large_reference_is_said_not_to_have_been_read(
    kept: Kept, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.reproduction import fingerprint

    monkeypatch.setattr(fingerprint, "LARGEST", 3)
    fingerprint._digest.cache_clear()
    (note,) = replay(kept()).notes[1:]
    fingerprint._digest.cache_clear()
    assert note == f"of {trained} no more than index and sizes were seen not to have changed"


# ---- what is no answer


def test_a_reference_that_is_gone_is_an_error(kept: Kept, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(trained.parent, folder)
    written = kept(reference=folder / trained.name)
    shutil.rmtree(folder)
    assert is_error(replay(written), f"the reference {folder / trained.name}: no such checkpoint")


def test_a_reference_that_is_broken_is_an_error(kept: Kept, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(trained.parent, folder)
    written = kept(reference=folder / trained.name)
    (folder / f"{trained.name}.index").write_bytes(b"damaged")
    assert is_error(replay(written), trained.name)


def test_feeds_that_both_sides_reject_show_nothing(kept: Kept) -> None:
    outcome = replay(kept(feeds={"inputs": np.ones((2, 7), np.float32)}))
    assert is_error(outcome, "outputs: both sides rejected 1 of 1 examples")


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, "the stored feeds are of no input, but the reference takes inputs now"),
        ({"x": FEEDS["inputs"]}, "the stored feeds are of x, but the reference takes inputs now"),
        ({**FEEDS, "x": FEEDS["inputs"]}, "the stored feeds are of inputs, x"),
        ({"inputs": np.ones((2, 4))}, "inputs is stored as float64, but the reference takes float"),
    ],
    ids=["none", "other", "more", "dtype"],
)
def test_feeds_that_are_none_of_this_model_are_an_error(
    feeds: Mapping[str, Array], said: str, kept: Kept
) -> None:
    assert is_error(replay(kept(feeds=feeds)), said)


@pytest.mark.parametrize("stage", [Stage.OUTPUTS, Stage.DEPLOYED])
def test_without_feeds_nothing_is_compared(stage: Stage, kept: Kept) -> None:
    outcome = replay(kept(feeds=None, stage=stage, command="pytest --checkpoint=x"))
    assert is_error(outcome, "holds no feeds", "pytest --checkpoint=x")


def test_feeds_that_cannot_be_read_are_an_error(kept: Kept) -> None:
    folder = kept()
    (folder / "feeds.npz").write_bytes(b"PK\3\4 not quite")
    assert is_error(replay(folder), "feeds.npz is damaged")


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert is_error(replay(tmp_path / "none"), "there is no such folder")


def test_what_the_operating_system_refuses_is_an_error(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied", "/shipped.pb")

    monkeypatch.setattr("harness.replaying.fingerprint_of_candidate", refuse)
    assert is_error(replay(kept()), "/shipped.pb: Permission denied")


def test_a_module_of_ops_that_is_gone_is_an_error(kept: Kept) -> None:
    assert is_error(replay(kept(imports=("no_such_module",))), "no_such_module")


def test_a_name_that_the_reference_lacks_is_an_error(kept: Kept) -> None:
    assert is_error(replay(kept(outputs=("predicton",))), "predicton", "nearest: prediction")


def test_a_pass_that_compared_nothing_is_an_error(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = StageResult(stage=Stage.OUTPUTS, status=Status.PASSED, examples=1, timed_out=1)
    monkeypatch.setattr("harness.proof.Proof.outputs", lambda *_, **__: passed)
    assert is_error(replay(kept()), "outputs: nothing was compared")


# ---- what was asked for


def test_the_reference_is_asked_for_as_it_was(kept: Kept, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "inputs": ("a",),
        "outputs": ("b", "c:1"),
        "signature_key": "serving",
        "tags": ("serve", "gpu"),
        "moving_averages": True,
    }
    record = replace(record_of(kept), meta_graph="/elsewhere/a.meta", **changes)
    assert _request(record, tmp_path) == Request(
        path=Path(record.reference), meta_graph=Path("/elsewhere/a.meta"), **changes
    )


def test_a_reference_behind_a_url_is_fetched_again(kept: Kept, trained: Path) -> None:
    outcome = replay(kept(reference=trained, path=f"file://{trained.parent}/gone.pb"))
    assert outcome.word is Word.FAILED
    assert "gone.pb is not fetched again" in of_candidate(outcome)


def test_a_url_of_the_reference_is_what_is_told(
    kept: Kept, shipped: Path, trained: Path, right: bytes, tmp_path: Path
) -> None:
    record = replace(record_of(kept), reference=f"file://{trained}")
    folder = write_reproduction(
        tmp_path / "kept", record, evidence=Evidence(feeds=FEEDS), export=shipped
    )
    shipped.write_bytes(right)
    outcome = replay(folder)
    assert outcome.word is Word.FIXED
    assert outcome.notes == (f"candidate: {shipped}, changed since then",)


# ---- examples


SIGNATURE = Signature(
    inputs=(TensorSpec(name="inputs", dtype="float32", shape=(None, 4)),), outputs=()
)


def test_the_stored_feeds_are_all_that_is_checked() -> None:
    seen: list[Mapping[str, Array]] = []
    _StoredFeeds(FEEDS)(SIGNATURE, {}, seen.append)
    (feeds,) = seen
    assert feeds["inputs"] is FEEDS["inputs"]


def test_examples_apart_are_not_run() -> None:
    _StoredFeeds(FEEDS)(SIGNATURE, {}, lambda _: pytest.fail("it was run"), at_most=10)


def test_a_difference_is_let_out_and_remembered() -> None:
    def differ(_: Mapping[str, Array]) -> None:
        raise OutputsDiffer("y differs")

    stored = _StoredFeeds(FEEDS)
    with pytest.raises(OutputsDiffer, match="y differs"):
        stored(SIGNATURE, {}, differ)
    assert stored.found is not None
    assert stored.found.feeds is FEEDS
    assert stored.found.fed.startswith("inputs = [[0.25, ")
