"""What a command that opens a model is given: the plugin's options, made into a `Request`."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any

from harness.errors import FreezeproofError, RequestError, file_error
from harness.locate import locate
from harness.options import OPTIONS, is_url, read_op_sources, read_settings, subjects_of
from harness.subject import Copy, Request, said


def add_options(parser: Any, names: Collection[str]) -> None:
    """Add those of the plugin's options that are called `names` to a parser, or a group of one."""
    for option in OPTIONS:
        if option.name in names:
            parser.add_argument(option.flag, dest=option.name, **option.keywords)


def request_of(known: argparse.Namespace, checkpoint: str, folder: Path) -> Request:
    """Return what is asked for of the model `checkpoint`, a path or URL.

    What URLs name is copied into `folder` first, and ops of the user's are registered before that.

    Raises:
        RequestError: the command names something that does not exist.
        BrokenModel: what a URL names cannot be copied whole.
    """
    given = {**vars(known), "checkpoint": [checkpoint]}
    if not is_url(checkpoint):
        locate(checkpoint)  # before TensorFlow is imported, which takes seconds
    copies: list[Copy] = []
    from harness.models import remote
    from harness.models.registering import register_ops

    try:
        ops = read_op_sources(lambda option: given.get(option.name))
        register_ops(ops.modules, ops.libraries)
        if is_url(checkpoint):
            copies.append(remote.fetch_model(checkpoint, folder / "0", option="--checkpoint"))
            given["checkpoint"] = [copies[-1].path]
        meta_graph = given.get("meta_graph")
        if meta_graph and is_url(meta_graph):
            copies.append(remote.fetch_file(meta_graph, folder / "1", option="--meta-graph"))
            given["meta_graph"] = copies[-1].path
        settings = read_settings(lambda option: given.get(option.name))
        (subject,) = subjects_of(settings, copies=tuple(copies))
        return subject.locate()
    except FreezeproofError as error:
        raise type(error)(said(str(error), copies)) from error
    except OSError as error:
        raise RequestError(said(file_error(error), copies)) from error
