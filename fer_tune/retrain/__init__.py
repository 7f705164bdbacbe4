"""The command `retrain`: the best trial is trained again, tested and registered."""
