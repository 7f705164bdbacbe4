"""The command `predict`: what a trained model sees in images."""
