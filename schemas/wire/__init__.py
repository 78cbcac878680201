"""JSON Schemas of what travels over MQTT."""
