"""The reference device client."""
