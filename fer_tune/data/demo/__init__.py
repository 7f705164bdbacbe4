"""The demo data set: drawn faces for a first run without data."""
