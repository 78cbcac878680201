"""Benchmarks: each figure beside its baseline, measured in one run."""
