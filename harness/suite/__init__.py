"""The tests that a model must pass; collected by the plugin, in any folder."""
