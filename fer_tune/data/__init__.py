"""Faces in, splits out. Knows NumPy, pandas, Pillow and albumentations; never torch, Ray or MLflow."""
