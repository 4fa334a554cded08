"""Regimens compared as the patients came."""
