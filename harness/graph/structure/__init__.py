"""Whether two graphs in normal form are one, and where not, the edits that lead between them."""
