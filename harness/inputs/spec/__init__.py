"""The input-spec file: what inputs accept, stated by the user in TOML; read, and written."""

from harness.inputs.spec.reading import InputSpec, parse_input_spec, read_input_spec
from harness.inputs.spec.text import spec_text

__all__ = ["InputSpec", "parse_input_spec", "read_input_spec", "spec_text"]
