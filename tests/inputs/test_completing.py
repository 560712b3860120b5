"""The shape of every input, each dimension a number or a named axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.domain import Axis, Choices, Domain, Range, Recorded, Sparse
from harness.errors import RequestError
from harness.inputs.completing import completed
from harness.signature import Shape, Signature, TensorSpec

BATCH = Axis(name="batch", sizes=tuple(range(9)))


def tensor(name: str, shape: Shape | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def shapes(*specs: TensorSpec, **domains: Domain) -> dict[str, object]:
    signature = Signature(inputs=specs, outputs=())
    return {name: domain.shape for name, domain in completed(signature, domains).items()}


def axis(name: str, *sizes: int) -> Axis:
    return Axis(name=name, sizes=sizes)


def test_unknown_leading_dimensions_are_the_batch_and_others_axes_of_their_own() -> None:
    own = axis("x[2]", *range(1, 33))
    assert shapes(tensor("x", (None, 3, None)), tensor("y", (None,))) == {
        "x": (BATCH, 3, own),
        "y": (BATCH,),
    }


def test_what_is_known_stays_as_it_is() -> None:
    assert shapes(tensor("x", (2, 3)), tensor("y", ()), tensor("z", None)) == {
        "x": (2, 3),
        "y": (),
        "z": None,
    }


def test_a_domain_tells_unknown_sizes_and_ranks() -> None:
    rows = axis("rows", 4, 5)
    assert shapes(
        tensor("x", (None, None, 3)),
        tensor("y", None),
        x=Domain(shape=(None, 28, None)),
        y=Domain(shape=(None, rows, 5)),
    ) == {"x": (BATCH, 28, 3), "y": (BATCH, rows, 5)}


def test_a_known_size_takes_the_place_of_an_axis_that_has_it() -> None:
    assert shapes(tensor("x", (4,)), x=Domain(shape=(axis("rows", 4, 5),))) == {"x": (4,)}


@pytest.mark.parametrize("shape", [(None, 5), (3,), (None, None, None), ()])
def test_a_domain_that_contradicts_the_shape_is_refused(shape: Shape) -> None:
    with pytest.raises(RequestError, match=r"input spec x: shape .* contradicts .* \[\?, 4\]"):
        shapes(tensor("x", (None, 4)), x=Domain(shape=shape))


def test_an_axis_without_the_known_size_is_refused_and_told_by_its_sizes() -> None:
    with pytest.raises(RequestError, match=r"shape \[\?, \(rows: 5, 6\)\] contradicts the model's"):
        shapes(tensor("x", (None, 4)), x=Domain(shape=(None, axis("rows", 5, 6))))


def test_the_rest_of_a_domain_stays() -> None:
    domain = Domain(values=Range(low=0, high=1), landmarks=(0.5,), read_from="node")
    signature = Signature(inputs=(tensor("x", (3,)),), outputs=())
    found = completed(signature, {"x": domain})["x"]
    assert (found.values, found.landmarks, found.read_from) == (
        domain.values,
        domain.landmarks,
        "node",
    )


# ---- axes that inputs share


def test_axes_of_one_name_have_the_sizes_that_every_input_takes() -> None:
    both = axis("time", 4, 6)
    assert shapes(
        tensor("x", (None, None)),
        tensor("y", (None,)),
        x=Domain(shape=(3, axis("time", 6, 2, 4))),
        y=Domain(shape=(axis("time", 4, 5, 6),)),
    ) == {"x": (3, both), "y": (both,)}


def test_the_node_that_refuses_other_sizes_is_kept() -> None:
    found = shapes(
        tensor("x", (None, None)),
        x=Domain(shape=(axis("n", 1, 2), Axis(name="n", sizes=(2, 3), refused_by="concat"))),
    )
    assert found["x"] == (Axis(name="n", sizes=(2,), refused_by="concat"),) * 2


def test_a_batch_that_is_stated_for_one_input_is_that_of_all() -> None:
    stated = axis("batch", 16, 32)
    assert shapes(tensor("x", (None,)), tensor("y", (None, 2)), y=Domain(shape=(stated, 2))) == {
        "x": (stated,),
        "y": (stated, 2),
    }


def test_axes_of_one_name_without_a_common_size_are_refused() -> None:
    with pytest.raises(
        RequestError, match=r"input spec y: the axis n is 0, 5 here and 0\.\.3 in x: "
    ):
        shapes(
            tensor("x", (None,)),
            tensor("y", (None,)),
            x=Domain(shape=(axis("n", 0, 1, 2, 3),)),
            y=Domain(shape=(axis("n", 0, 5),)),
        )


@pytest.mark.parametrize("sizes", [(), (-1, 2)])
def test_an_axis_without_sizes_is_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="input spec x: the axis n has no sizes"):
        shapes(tensor("x", (None,)), x=Domain(shape=(axis("n", *sizes),)))


# ---- sparse tensors and files


def test_the_parts_of_a_sparse_tensor_have_as_many_rows_as_are_drawn() -> None:
    words = axis("words", 1, 2, 3)
    specs = (
        tensor("indices", (None, None), "int64"),
        tensor("values", None),
        tensor("shape", (None,), "int64"),
        tensor("x", (None,)),
    )
    sparse = Sparse(values="values", dense_shape="shape", shape=(None, words))
    signature = Signature(inputs=specs, outputs=())
    found = completed(signature, {"indices": Domain(values=sparse)})
    assert {name: domain.shape for name, domain in found.items()} == {
        "indices": (None, 2),
        "values": (None,),
        "shape": (2,),
        "x": (BATCH,),
    }
    values = found["indices"].values
    assert isinstance(values, Sparse)
    assert values.shape == (BATCH, words)


def test_a_number_of_entries_that_is_baked_in_is_kept() -> None:
    sparse = Sparse(values="values", dense_shape="", shape=(7,))
    found = shapes(
        tensor("indices", (3, 1), "int64"),
        tensor("values", (3, 2)),
        indices=Domain(values=sparse),
    )
    assert found == {"indices": (3, 1), "values": (3, 2)}


def test_an_array_of_a_file_tells_its_sizes(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, np.zeros((10, 50, 3), np.float32))
    recorded = Domain(values=Recorded(path=path))
    assert shapes(tensor("x", (None, None, 3)), tensor("y", None), x=recorded, y=recorded) == {
        "x": (BATCH, 50, 3),
        "y": (BATCH, 50, 3),
    }


def test_an_axis_of_a_file_has_one_size_in_every_input(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, np.zeros((10, 50), np.float32))
    time = axis("time", *range(1, 100))
    found = shapes(
        tensor("x", (None, None)),
        tensor("y", (None,)),
        x=Domain(values=Recorded(path=path), shape=(None, time)),
        y=Domain(shape=(time,)),
    )
    assert found == {"x": (BATCH, axis("time", 50)), "y": (axis("time", 50),)}


def test_choices_leave_the_shape_alone() -> None:
    assert shapes(tensor("x", (2,)), x=Domain(values=Choices(values=(1,)))) == {"x": (2,)}
