"""The health of cameras, as events."""
