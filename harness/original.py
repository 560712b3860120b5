"""The model as TensorFlow itself restores it: the check on the harness's own reference.

The reference that candidates are compared with is the harness's extraction, with values placed by
its reading of the saver. Were those wrong, reference and candidates would agree on a wrong model.
Here nothing of that is shared: the user's whole graph is imported by TensorFlow, restored by the
saver that was saved with it, and asked for the same tensors. Only the session's settings are those
of `runtime`, since otherwise no bits could be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import meta_graph
from tensorflow.python.saved_model.loader_impl import SavedModelLoader

from harness.criteria import Array
from harness.errors import FreezeproofError, Rejected, first_line
from harness.graph.extract import all_nodes
from harness.locate import Kind, meta_file
from harness.models.frozen import read_graph_def
from harness.runtime import (
    Mode,
    for_session,
    from_session,
    make_calls_strict,
    session_config,
)
from harness.signature import Signature
from harness.tensor_names import session_name

_DEFAULT_TAG = "serve"


class Unavailable(FreezeproofError):
    """TensorFlow cannot restore the whole model; the message says why. No fault of the outputs."""


class Original:
    """The model as TensorFlow restores it, whole: no extraction, and random ops as they are.

    A training graph may hold ops that this TensorFlow does not know, or variables that are not in
    the checkpoint, and none of them on the path to the outputs: it is then `Unavailable`, which
    says nothing against the model.
    """

    def __init__(
        self,
        *,
        path: Path,
        kind: Kind,
        signature: Signature,
        meta_graph: Path | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """Keep what is to be restored, by the path that `locate` found; nothing is opened yet."""
        self._path = path
        self._kind = kind
        self._signature = signature
        self._meta_graph = meta_graph
        self._tags = tags
        self._session: Any = None

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by tensor name for `feeds`, by tensor name.

        Raises:
            Rejected: TensorFlow refuses the feeds or fails on them.
            Unavailable: TensorFlow cannot restore the model, or its saver leaves out what the
                outputs need.
        """
        self.open()
        names = self._signature.output_names
        try:
            values = self._session.run(
                [session_name(name) for name in names],
                {session_name(n): for_session(feeds[n]) for n in self._signature.input_names},
            )
        except tf.errors.FailedPreconditionError as error:
            # Not of the feeds: a variable or table without a value, which no saver restored.
            raise Unavailable(first_line(error)) from error
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise Rejected(type(error).__name__, first_line(error)) from error
        return {name: from_session(value) for name, value in zip(names, values, strict=True)}

    def open(self) -> None:
        """Import the whole graph and let TensorFlow restore it, unless that is done.

        Raises:
            Unavailable: TensorFlow cannot.
        """
        if self._session is not None:
            return
        graph = tf.Graph()
        session = tf.compat.v1.Session(graph=graph, config=session_config(Mode.STRICT))
        try:
            with graph.as_default():
                if self._kind == "checkpoint":
                    self._restore_checkpoint(session)
                elif self._kind == "saved_model":
                    self._restore_saved_model(session)
                else:
                    _import_frozen(self._path)
        except Exception as error:  # OpError, ValueError, KeyError, TypeError, RuntimeError, …
            session.close()
            raise Unavailable(first_line(error)) from error
        self._session = session

    def close(self) -> None:
        """Close the session, if one is open."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _restore_checkpoint(self, session: Any) -> None:
        path = self._meta_graph or meta_file(self._path)
        meta = meta_graph.read_meta_graph_file(str(path))
        _make_strict(meta.graph_def)
        saver = tf.compat.v1.train.import_meta_graph(meta, clear_devices=True)
        if saver is not None:  # else TensorFlow knows of no variable
            saver.restore(session, str(self._path))

    def _restore_saved_model(self, session: Any) -> None:
        # What `tf.compat.v1.saved_model.load` calls; that leaves no time to change the graph.
        loader = SavedModelLoader(str(self._path))
        tags = self._tags or _default_tags(loader)
        _make_strict(loader.get_meta_graph_def_from_tags(tags).graph_def)
        loader.load(session, tags, clear_devices=True)


def _default_tags(loader: Any) -> Sequence[str]:
    found = [list(each.meta_info_def.tags) for each in loader.saved_model.meta_graphs]
    return found[0] if len(found) == 1 else [_DEFAULT_TAG]


def _import_frozen(path: Path) -> None:
    graph_def = read_graph_def(path)
    _make_strict(graph_def)
    tf.import_graph_def(graph_def, name="")


def _make_strict(graph_def: graph_pb2.GraphDef) -> None:
    """Let nothing in the graph ask for devices or optimisers of its own."""
    make_calls_strict(graph_def)
    for node in all_nodes(graph_def):
        node.device = ""
