"""Regimens compared among patients made alike."""
