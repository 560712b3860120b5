"""What an export is made of: the names of its files, and the kinds of input that it may take."""

from __future__ import annotations

from harness.errors import RequestError, nearest
from harness.signature import Shape

CHECKPOINT = "model.ckpt"
FROZEN_GRAPH = "frozen_inference_graph.pb"
SAVED_MODEL = "saved_model"
MANIFEST = "freezeproof.json"
VERIFICATION = "verification.json"

IMAGE_TENSOR = "image_tensor"
ENCODED_IMAGES = "encoded_image_string_tensor"
TF_EXAMPLE = "tf_example"
INPUT_TYPES = (IMAGE_TENSOR, ENCODED_IMAGES, TF_EXAMPLE)
CHANNELS = 3
"""Of decoded pictures; `image_tensor` may have another number."""

DEFAULT_COLLECTION = "inference_op"
"""The collection that lists the outputs: the name that exporters of detection models use."""

DEFAULT_METHOD = "direct"


def check_input(input_type: str, shape: Shape | None) -> Shape:
    """Return the shape of the placeholder that a type and a shape given for it ask for.

    Raises:
        RequestError: there is no such type, or the shape is none of its shapes.
    """
    if input_type not in INPUT_TYPES:
        hint = nearest(str(input_type), INPUT_TYPES)
        raise RequestError(f"--input-type {input_type}: there are {', '.join(INPUT_TYPES)}{hint}")
    if shape is None:
        return (None, None, None, CHANNELS) if input_type == IMAGE_TENSOR else (None,)
    if input_type != IMAGE_TENSOR:
        raise RequestError(
            f"--input-shape goes with --input-type {IMAGE_TENSOR}: the pictures in "
            f"{input_type} have the size that they were encoded with"
        )
    known = tuple(None if size in {-1, None} else size for size in shape)
    if len(known) != 4 or any(size is not None and not _is_size(size) for size in known):
        text = ",".join("-1" if size is None else str(size) for size in shape)
        raise RequestError(
            f"--input-shape {text}: it should be batch,height,width,channels, each a size from 1 "
            f"or -1 for any, as -1,28,28,3"
        )
    return known


def _is_size(size: object) -> bool:
    return hasattr(size, "__index__") and not isinstance(size, bool) and size.__index__() >= 1
