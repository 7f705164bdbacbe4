"""What is kept of every study, in MLflow; the only package that knows it."""
