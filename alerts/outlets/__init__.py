"""Other systems are told of each step of an incident: at least once, in order, with a receipt."""
