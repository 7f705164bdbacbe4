"""The record of every study in MLflow; the only package that knows MLflow."""
