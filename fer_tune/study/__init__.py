"""Many trials: the only place that knows Ray and Optuna."""
