"""What people may do with a case, and how they see it."""
