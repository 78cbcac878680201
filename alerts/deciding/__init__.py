"""What is an alert here and now: place, permit, class, responsibility. Pure."""
