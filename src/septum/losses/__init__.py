"""Loss functions: pure, tensors in, scalar out."""
