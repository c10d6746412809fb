"""Architectures without losses."""
