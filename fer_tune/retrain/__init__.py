"""The command retrain: train a study's best trial again, test it and register its model."""
