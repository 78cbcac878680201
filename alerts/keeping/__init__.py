"""What is kept and for how long: roll-ups, retention, legal holds, and files that nothing names."""
