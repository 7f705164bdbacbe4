"""Experiments on FER2013; their results are in benchmarks/README.md."""
