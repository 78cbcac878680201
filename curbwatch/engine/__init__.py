"""Where a camera's state lives: the only place that knows."""
