"""Survival learners, resampling, tuning and safe storage."""
