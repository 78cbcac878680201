"""Configuration for a city's broker, made from the registry: who may log in, who may say what, how much is held."""
