"""What only the Community edition of TimescaleDB can do: applied where it is the one, behind the same names."""
