"""How many labelled pictures a frozen graph gets right, and whether its checkpoint agrees."""
