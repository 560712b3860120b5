"""GraphDefs as data: extract, infer, freeze, pin. No session is opened here."""

from harness.wheel import require_tensorflow

require_tensorflow()
