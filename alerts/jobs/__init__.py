"""Who gets which job, and how it reaches the queue."""
