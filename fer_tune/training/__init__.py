"""One trial and nothing else. Knows torch; never Ray, Optuna or MLflow."""
