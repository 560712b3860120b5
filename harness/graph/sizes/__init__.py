"""Sizes of unknown dimensions: trials of TensorFlow's shape functions, and what follows."""
