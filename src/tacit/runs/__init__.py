"""Fit, save, load, lineage, and a run as data."""
