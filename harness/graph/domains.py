"""What each input accepts, as far as the graph says it: values, and sizes of unknown dimensions."""

from __future__ import annotations

from tensorflow.core.framework import graph_pb2

from harness.domain import Domain
from harness.signature import Signature


def domains_of(graph_def: graph_pb2.GraphDef, signature: Signature) -> dict[str, Domain]:
    """Return a domain for each input of the extracted graph that computes `signature`."""
    del graph_def
    return {spec.name: Domain() for spec in signature.inputs}
