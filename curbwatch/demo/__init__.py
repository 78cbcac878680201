"""``curbwatch demo``: a simulated city, the real pipeline, crews that take jobs, a live board, an honest summary."""
