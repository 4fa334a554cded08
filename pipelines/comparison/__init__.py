"""One comparison of the regimens, from its plan to its record."""
