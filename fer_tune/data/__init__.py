"""Faces in, splits out. Knows NumPy, Pillow and albumentations; no torch, Ray, MLflow."""
