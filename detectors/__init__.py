"""Batches to detections: pure, synchronous, vectorised, no IO."""
