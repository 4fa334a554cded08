"""A stored model on new patients."""
