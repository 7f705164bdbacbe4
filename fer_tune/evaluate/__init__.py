"""The command evaluate: scores of a model on labelled faces."""
