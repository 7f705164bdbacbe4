"""Modules that every package needs and that know nothing of faces, studies or models."""
