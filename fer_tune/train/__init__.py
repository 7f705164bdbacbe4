"""The command train: train one configuration without a search, test it and register its model."""
