"""Metrics, predictions and significance: how good a network is, without torch."""
