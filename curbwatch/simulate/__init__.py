"""A simulated city. A test instrument: it shares no code with the detectors."""
