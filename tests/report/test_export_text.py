"""What is said of an export, in lines of which most fit into eighty columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.exporting.manifest import FileDigest, Manifest, Source, Verified
from harness.report.export_text import render_export
from harness.signature import Signature, TensorSpec

MANIFEST = Manifest(
    signature=Signature(
        inputs=(TensorSpec(name="image_tensor", dtype="uint8", shape=(None, None, None, 3)),),
        outputs=(
            TensorSpec(name="classes", dtype="int64", shape=(None,)),
            TensorSpec(name="probabilities", dtype="float32", shape=(None, 10)),
        ),
    ),
    source=Source(path="runs/model.ckpt-250", digest="", digest_of="files"),
    method="direct",
    collection="inference_op",
    input_type="image_tensor",
    verified=Verified(verdict="equivalent", proved=True),
    files={
        name: FileDigest(bytes=size, sha256="")
        for name, size in {
            "frozen_inference_graph.pb": 76_103,
            "model.ckpt.data-00000-of-00001": 2_000_000,
            "model.ckpt.index": 689,
            "model.ckpt.meta": 400_000,
            "saved_model/saved_model.pb": 26_929,
            "saved_model/variables/variables.index": 689,
            "saved_model/variables/variables.data-00000-of-00001": 3_000_000_000,
            "verification.json": 9_382,
        }.items()
    },
)


def lines(**changes: object) -> list[str]:
    return render_export(replace(MANIFEST, **changes), Path("exported")).splitlines()


def test_it_tells_where_what_and_whether_it_was_proved() -> None:
    assert lines() == [
        "exported exported",
        "  inputs:  image_tensor uint8 [?, ?, ?, 3]",
        "  outputs: classes int64 [?]",
        "           probabilities float32 [?, 10]",
        "  values:  runs/model.ckpt-250",
        "  frozen_inference_graph.pb  76.1 kB, frozen by direct",
        "  saved_model                3.0 GB, signature serving_default",
        "  model.ckpt.*               2.4 MB",
        "  verification.json          equivalent, proved",
    ]


@pytest.mark.parametrize(
    ("verified", "said"),
    [
        (None, "  not verified"),
        (
            Verified(verdict="equivalent", proved=False),
            "  verification.json          equivalent",
        ),
        (
            Verified(verdict="suspicious", proved=True),
            "  verification.json          suspicious: it agrees, and a warning stands",
        ),
    ],
)
def test_it_does_not_say_more_than_was_found(verified: Verified | None, said: str) -> None:
    assert lines(verified=verified)[-1] == said


def test_it_tells_which_values_were_taken() -> None:
    names = ("a", "b", "c", "d", "e")
    source = replace(MANIFEST.source, moving_averages=True, without_average=names)
    assert lines(source=source)[4:6] == [
        "  values:  runs/model.ckpt-250, moving averages",
        "           raw values, having no average: a, b, c and 2 more",
    ]


def test_a_model_may_have_no_input() -> None:
    signature = replace(MANIFEST.signature, inputs=())
    assert lines(signature=signature)[1] == "  inputs:  none"


def test_a_few_bytes_are_counted() -> None:
    files = {"frozen_inference_graph.pb": FileDigest(bytes=310, sha256="")}
    assert lines(files=files)[5:8] == [
        "  frozen_inference_graph.pb  310 bytes, frozen by direct",
        "  saved_model                0 bytes, signature serving_default",
        "  model.ckpt.*               0 bytes",
    ]
