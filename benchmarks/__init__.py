"""Benchmarks of fer_tune beside a reference study, in one run: `make bench`."""
