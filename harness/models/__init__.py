"""From something on disk to a `Model`: graph, signature and lazy weights."""

from harness.wheel import require_tensorflow

require_tensorflow()
