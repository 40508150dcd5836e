"""Timings of hot paths beside named peers, as ratios: ``python -m benchmarks NAME``."""
