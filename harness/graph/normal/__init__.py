"""What a graph computes, written in one form however it was frozen."""
