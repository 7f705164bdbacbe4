"""Data sets: read, divided into splits, resampled and audited. Knows no torch, Ray or MLflow."""
