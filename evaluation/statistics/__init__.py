"""Estimates of survival analysis, held to R."""
