"""From a training checkpoint to an inference graph: for models that are rebuilt to be served.

Importing this package imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.exporting.layout import DEFAULT_COLLECTION
from harness.exporting.model_protocol import InferenceModel

if TYPE_CHECKING:
    from harness.exporting.manifest import Manifest

__all__ = ["InferenceModel", "export_inference_graph"]


def export_inference_graph(  # noqa: PLR0917 (the places that exporters have)
    input_type: str,
    model: InferenceModel,
    trained_checkpoint_prefix: str | Path,
    output_directory: str | Path,
    input_shape: Sequence[int | None] | None = None,
    use_moving_averages: bool = False,  # noqa: FBT002 (the name and place that exporters have)
    output_collection_name: str = DEFAULT_COLLECTION,
    additional_output_tensor_names: Sequence[str] | None = None,
    graph_hook_fn: Callable[[], object] | None = None,
) -> Manifest:
    """Rebuild `model` around an input, give it the checkpoint's values, and write it to be served.

    `input_type` is `image_tensor`, `encoded_image_string_tensor` or `tf_example`. `input_shape`
    goes with `image_tensor`: (batch, height, width, channels), -1 or None for any size. Every
    tensor that `model.postprocess` returns becomes an output node of its name and enters the
    collection; tensors of the graph named by `additional_output_tensor_names`, with or without
    ":0", are served beside them. `graph_hook_fn` is called when the graph is built, before it is
    saved.

    The folder holds `model.ckpt.{meta,index,data-*}`, `frozen_inference_graph.pb`, `saved_model/`
    and `freezeproof.json`. It is written beside and renamed: an export that fails, or is killed,
    leaves what was there before. An earlier export in its place is replaced, and nothing else is.
    Nothing is verified here: `freezeproof export` does, or `pytest --checkpoint=DIR/model.ckpt`.

    Raises:
        RequestError: an argument names nothing that there is, or another folder is in the way.
        BrokenModel: graph and checkpoint do not belong together, or the files are damaged.
        Unsupported: no frozen graph can compute the model.
    """
    from harness.subject import Request
    from harness.wheel import require_tensorflow

    additional = additional_output_tensor_names or ()
    require_tensorflow()
    from harness.exporting.building import Rebuilding
    from harness.exporting.exporting import export_rebuilt

    return export_rebuilt(
        Rebuilding(
            input_type=input_type,
            model=model,
            input_shape=tuple(input_shape) if input_shape is not None else None,
            collection=output_collection_name,
            additional_outputs=(additional,) if isinstance(additional, str) else tuple(additional),
            graph_hook=graph_hook_fn,
        ),
        Request(path=Path(trained_checkpoint_prefix), moving_averages=use_moving_averages),
        Path(output_directory),
    )
