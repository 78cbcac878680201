"""The private servers: TimescaleDB, Mosquitto and Valkey in a folder of their own."""
