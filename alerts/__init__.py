"""Detections to decided, stored and dispatched incidents."""
