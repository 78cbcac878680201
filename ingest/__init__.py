"""MQTT bytes to typed batches."""
