"""Faces in, splits out. Knows NumPy, pandas, Pillow and albumentations; no torch, Ray, MLflow."""
