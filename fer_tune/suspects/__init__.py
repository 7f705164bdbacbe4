"""The command suspects: list the training faces whose label is probably wrong."""
