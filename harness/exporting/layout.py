"""What an export is made of: the names of its files, and the kinds of input that it may take."""

from __future__ import annotations

CHECKPOINT = "model.ckpt"
FROZEN_GRAPH = "frozen_inference_graph.pb"
SAVED_MODEL = "saved_model"
MANIFEST = "freezeproof.json"
VERIFICATION = "verification.json"

IMAGE_TENSOR = "image_tensor"
ENCODED_IMAGES = "encoded_image_string_tensor"
TF_EXAMPLE = "tf_example"
INPUT_TYPES = (IMAGE_TENSOR, ENCODED_IMAGES, TF_EXAMPLE)

DEFAULT_COLLECTION = "inference_op"
"""The collection that lists the outputs: the name that exporters of detection models use."""

DEFAULT_METHOD = "direct"
