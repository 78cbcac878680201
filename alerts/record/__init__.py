"""The record: its canonical form, its chain and seals, and how they are checked."""
