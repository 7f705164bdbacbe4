"""Learning curves, recorded once and replayed through searches."""
