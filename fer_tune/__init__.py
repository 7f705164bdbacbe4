"""A distributed hyperparameter study of small face-expression CNNs."""
