"""Cohorts, outcomes and covariates: from a patient table to a dataset."""
