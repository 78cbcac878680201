"""The nouns: frames, positions, detections, places and errors. No IO, no policy."""
