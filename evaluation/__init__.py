"""Metrics with intervals, regimen comparisons and effects, reports."""
