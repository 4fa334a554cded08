"""Pictures of regimens compared."""
