"""The knobs: one frozen model per stage, the defaults, and the city packs with their loader."""
