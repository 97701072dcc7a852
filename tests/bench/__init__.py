"""Measurements, printed as ratios. `python -m tests.bench --help`."""
