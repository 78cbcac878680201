"""What stands still on the street: majority-memory background, proposals, verification, tracks, class."""
