"""Search methods compared on recorded learning curves."""
