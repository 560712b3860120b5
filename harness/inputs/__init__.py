"""From a signature and domains to hypothesis strategies of feeds."""

from harness.domain import Domain
from harness.inputs.strategies import from_signature

__all__ = ["Domain", "from_signature"]
