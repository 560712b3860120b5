"""A failure in a folder of its own: all that is needed to see it again, and that it is mended."""
