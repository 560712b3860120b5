"""Renderings of a `Report`: pure functions of it, so that they cannot disagree."""
