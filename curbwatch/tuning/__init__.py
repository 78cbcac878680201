"""Instruments for engineers: recordings, evaluation, benchmarks, training."""
