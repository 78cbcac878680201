"""Clocks of a case: working time, limits, lamps, what is told when, and the daily list of what is stuck."""
