"""What an input accepts, read off the graph: a walk from the input to the nodes that limit it."""
