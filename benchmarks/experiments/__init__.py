"""Experiments whose results the documents report."""
