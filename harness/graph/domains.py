"""What each input accepts, as far as the graph says it: values, and sizes of unknown dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tensorflow.core.framework import graph_pb2

from harness.domain import Domain
from harness.graph.reading.values import read_values
from harness.graph.sizes.once import with_sizes_tried_once
from harness.graph.sizes.working import working_sizes
from harness.signature import Signature


def domains_of(
    graph_def: graph_pb2.GraphDef,
    signature: Signature,
    *,
    defaults: Mapping[str, Domain] | None = None,
) -> dict[str, Domain]:
    """Return a domain for each input of the extracted graph that computes `signature`.

    `defaults` are those that inputs had in the whole graph (`reading.values.defaults_of`).
    """
    read = read_values(graph_def, signature)
    for name, domain in (defaults or {}).items():
        known = read[name]
        read[name] = replace(
            known, default=domain.default, read_from=known.read_from or domain.read_from
        )
    return with_sizes_tried_once(working_sizes(graph_def, signature, read), graph_def, signature)
