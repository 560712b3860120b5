"""From a signature and domains to hypothesis strategies of feeds."""

from harness.inputs.domains import Domain
from harness.inputs.strategies import from_signature

__all__ = ["Domain", "from_signature"]
