"""One training, from its plan to its record."""
