"""The command `predict`: the expressions of faces in images, by a trained model."""
