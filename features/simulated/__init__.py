"""Cohorts of no real patients: a known truth, or a published study rebuilt."""
