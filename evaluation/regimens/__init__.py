"""The regimens compared."""
